package main

import (
	stdcontext "context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var (
	serial     atomic.Int32
	background = stdcontext.Background()
)

// What a scenario has: where the servers are, names nobody else uses, and clients that are closed when it ends.
type context struct {
	tag      string
	resolver primitive.NsResolver
	masters  []string
	ours     bool
	sender   rocketmq.Producer
	closing  []func()
}

func newContext(name string, options map[string]string) *context {
	return &context{
		tag:      "go-" + strings.ReplaceAll(name, "/", "-"),
		resolver: primitive.NewPassthroughResolver(strings.Split(options["--namesrv"], ";")),
		masters:  strings.Split(options["--masters"], ";"),
		ours:     options["--servers"] == "ours",
	}
}

func (c *context) close() {
	for i := len(c.closing) - 1; i >= 0; i-- {
		c.closing[i]()
	}
}

func (c *context) unique(what string) string {
	return fmt.Sprintf("%s_%s_%d", c.tag, what, serial.Add(1))
}

func (c *context) newProducer(options ...producer.Option) rocketmq.Producer {
	options = append([]producer.Option{
		producer.WithNsResolver(c.resolver), producer.WithRetry(0),
		producer.WithGroupName(c.unique("PG")), producer.WithInstanceName(c.unique("producer")),
	}, options...)
	made, err := rocketmq.NewProducer(options...)
	must(err)
	must(made.Start())
	c.closing = append(c.closing, func() { _ = made.Shutdown() })
	return made
}

func (c *context) producer() rocketmq.Producer {
	if c.sender == nil {
		c.sender = c.newProducer()
	}
	return c.sender
}

// Not started, no subscription; starts at the first offset.
func (c *context) newPush(group string, options ...consumer.Option) rocketmq.PushConsumer {
	options = append([]consumer.Option{
		consumer.WithNsResolver(c.resolver), consumer.WithGroupName(group), consumer.WithInstance(c.unique("push")),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
	made, err := rocketmq.NewPushConsumer(options...)
	must(err)
	c.closing = append(c.closing, func() { _ = made.Shutdown() })
	return made
}

func (c *context) newPull(group, topic string) rocketmq.PullConsumer {
	made, err := rocketmq.NewPullConsumer(consumer.WithNsResolver(c.resolver), consumer.WithGroupName(group),
		consumer.WithInstance(c.unique("pull")))
	must(err)
	must(made.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}))
	must(made.Start())
	c.closing = append(c.closing, func() { _ = made.Shutdown() })
	return made
}

// A fresh topic on every master.
func (c *context) topic(queues int) string {
	topic := c.unique("T")
	tool, err := admin.NewAdmin(admin.WithResolver(c.resolver))
	must(err)
	for _, master := range c.masters {
		must(tool.CreateTopic(background, admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(master),
			admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)))
	}
	await(90, func() string { return topic + " routed everywhere" }, func() bool {
		found, err := tool.FetchPublishMessageQueues(background, topic)
		return err == nil && len(found) == queues*len(c.masters)
	})
	return topic
}

func message(topic, tag, body string) *primitive.Message {
	return primitive.NewMessage(topic, []byte(body)).WithTag(tag)
}

func (c *context) send(m *primitive.Message) *primitive.SendResult {
	result, err := c.producer().SendSync(background, m)
	must(err)
	check(result.Status == primitive.SendOK, "status of a send: %v", result)
	return result
}

func (c *context) sendMany(topic, prefix string, count int) []string {
	var bodies []string
	for i := 0; i < count; i++ {
		bodies = append(bodies, fmt.Sprint(prefix, i))
		c.send(message(topic, "TagA", bodies[i]))
	}
	return bodies
}

// What a listener got: the messages by body, and how many came in all.
type received struct {
	sync.Mutex
	messages map[string]*primitive.MessageExt
	order    []*primitive.MessageExt
}

func newReceived() *received {
	return &received{messages: map[string]*primitive.MessageExt{}}
}

func (r *received) add(messages ...*primitive.MessageExt) {
	r.Lock()
	defer r.Unlock()
	for _, m := range messages {
		r.messages[string(m.Body)] = m
		r.order = append(r.order, m)
	}
}

func (r *received) listen(_ stdcontext.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	r.add(messages...)
	return consumer.ConsumeSuccess, nil
}

func (r *received) size() int {
	r.Lock()
	defer r.Unlock()
	return len(r.messages)
}

func (r *received) has(bodies []string) bool {
	r.Lock()
	defer r.Unlock()
	for _, body := range bodies {
		if r.messages[body] == nil {
			return false
		}
	}
	return true
}

func (r *received) awaitAll(seconds int, bodies []string) {
	await(seconds, func() string { return fmt.Sprintf("%d messages, have %d", len(bodies), r.size()) },
		func() bool { return r.has(bodies) })
}

func subscribe(c rocketmq.PushConsumer, topic, expression string, r *received) {
	must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: expression}, r.listen))
	must(c.Start())
}
