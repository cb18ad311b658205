package main

import (
	stdcontext "context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Everything a topic holds, by consuming it with a new group.
func (c *context) stored(topic string, count int) *received {
	r := newReceived()
	subscribe(c.newPush(c.unique("G")), topic, "*", r)
	await(90, func() string { return fmt.Sprintf("%d messages stored, have %d", count, r.size()) },
		func() bool { return r.size() >= count })
	check(r.size() == count, "%d messages stored, not %d", count, r.size())
	return r
}

func sendSync(c *context) {
	topic := c.topic(2)
	next := map[string]int64{}
	for i := 0; i < 50; i++ {
		result := c.send(message(topic, "TagA", fmt.Sprint("sync", i)))
		queue := result.MessageQueue.String()
		check(result.QueueOffset == next[queue], "offset %d in %s, expected %d", result.QueueOffset, queue, next[queue])
		next[queue]++
		check(result.MsgID != "" && result.OffsetMsgID != "", "ids of %v", result)
	}
	check(len(next) == 2*len(c.masters), "queues used: %v", next)
	c.stored(topic, 50)
}

func sendAsync(c *context) {
	topic := c.topic(2)
	var answered sync.WaitGroup
	var failures atomic.Int32
	answered.Add(100)
	for i := 0; i < 100; i++ {
		must(c.producer().SendAsync(background, func(_ stdcontext.Context, result *primitive.SendResult, err error) {
			if err != nil || result.Status != primitive.SendOK {
				failures.Add(1)
			}
			answered.Done()
		}, message(topic, "TagA", fmt.Sprint("async", i))))
	}
	answered.Wait()
	check(failures.Load() == 0, "%d async sends failed", failures.Load())
	c.stored(topic, 100)
}

func sendOneway(c *context) {
	topic := c.topic(2)
	for i := 0; i < 50; i++ {
		must(c.producer().SendOneWay(background, message(topic, "TagA", fmt.Sprint("oneway", i))))
	}
	c.stored(topic, 50)
}

func sendBatch(c *context) {
	topic := c.topic(1)
	var batch []*primitive.Message
	for i := 0; i < 30; i++ {
		batch = append(batch, message(topic, fmt.Sprint("Tag", i%3), fmt.Sprint("batch", i)).WithKeys([]string{fmt.Sprint("key", i)}))
	}
	result, err := c.producer().SendSync(background, batch...)
	must(err)
	check(result.Status == primitive.SendOK, "status of a batch: %v", result)
	r := c.stored(topic, 30)
	for i := 0; i < 30; i++ {
		m := r.messages[fmt.Sprint("batch", i)]
		check(m != nil, "message %d of the batch", i)
		check(m.QueueOffset == result.QueueOffset+int64(i), "offset of message %d: %d", i, m.QueueOffset)
		check(m.GetTags() == fmt.Sprint("Tag", i%3), "tag of message %d: %s", i, m.GetTags())
		check(m.GetKeys() == fmt.Sprint("key", i), "key of message %d: %s", i, m.GetKeys())
	}
}

func sendSelector(c *context) {
	topic := c.topic(4)
	p := c.newProducer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	queues := map[string]string{}
	for i := 0; i < 40; i++ {
		key := fmt.Sprint("order", i%5)
		result, err := p.SendSync(background, message(topic, "TagA", fmt.Sprint("select", i)).WithShardingKey(key))
		must(err)
		queue := result.MessageQueue.String()
		check(queues[key] == "" || queues[key] == queue, "%s went to %s and to %s", key, queues[key], queue)
		queues[key] = queue
	}
	c.stored(topic, 40)
}

func roundTrip(c *context) {
	topic := c.topic(1)
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i)
	}
	m := primitive.NewMessage(topic, body).WithTag("标签").WithKeys([]string{"ключ"})
	m.WithProperty("größe", "10 €; a=b")
	m.Flag = 77
	result := c.send(m)
	got := c.stored(topic, 1).order[0]
	check(string(got.Body) == string(body), "the body is unchanged")
	check(got.GetTags() == "标签", "tag %s", got.GetTags())
	check(got.GetKeys() == "ключ", "keys %s", got.GetKeys())
	check(got.GetProperty("größe") == "10 €; a=b", "property %s", got.GetProperty("größe"))
	check(got.Flag == 77, "flag %d", got.Flag)
	check(got.MsgId == result.MsgID, "id %s, expected %s", got.MsgId, result.MsgID)
	check(strings.HasPrefix(got.BornHost, "127.0.0.1"), "born host %s", got.BornHost)
}

func compressedBody(c *context) {
	topic := c.topic(1)
	body := strings.Repeat("All work and no play makes Jack a dull boy. ", 1000)
	c.send(message(topic, "", body))
	got := c.stored(topic, 1).order[0]
	check(string(got.Body) == body, "a compressed body comes back unpacked")
	check(int(got.StoreSize) < len(body)/2, "it is stored in %d bytes", got.StoreSize)
}

func clustering(c *context) {
	topic := c.topic(4)
	group := c.unique("G")
	left, right := newReceived(), newReceived()
	leaver, stayer := c.newPush(group), c.newPush(group)
	subscribe(leaver, topic, "*", left)
	subscribe(stayer, topic, "*", right)
	// The client does not show its queues: both have some once both get messages.
	var sent []string
	await(90, func() string { return fmt.Sprintf("both members get messages: %d and %d", left.size(), right.size()) }, func() bool {
		sent = append(sent, c.sendMany(topic, fmt.Sprint("round", len(sent), "-"), 16)...)
		return left.size() > 0 && right.size() > 0
	})
	both := func() bool {
		for _, body := range sent {
			if !left.has([]string{body}) && !right.has([]string{body}) {
				return false
			}
		}
		return true
	}
	await(90, func() string { return "every message at one of the two" }, both)
	must(leaver.Shutdown())
	sent = append(sent, c.sendMany(topic, "after", 100)...)
	await(90, func() string {
		return fmt.Sprintf("no message lost: %d and %d of %d", left.size(), right.size(), len(sent))
	}, both)
}

func broadcasting(c *context) {
	topic := c.topic(2)
	group := c.unique("G")
	members := []*received{newReceived(), newReceived()}
	for _, member := range members {
		subscribe(c.newPush(group, consumer.WithConsumerModel(consumer.BroadCasting)), topic, "*", member)
	}
	sent := c.sendMany(topic, "all", 50)
	for _, member := range members {
		member.awaitAll(60, sent)
	}
}

func tags(c *context) {
	topic := c.topic(2)
	chosen, all := newReceived(), newReceived()
	subscribe(c.newPush(c.unique("G")), topic, "A || B", chosen)
	subscribe(c.newPush(c.unique("G")), topic, "*", all)
	var sent, wanted []string
	for i := 0; i < 60; i++ {
		tag := []string{"A", "B", "C"}[i%3]
		body := fmt.Sprint(tag, i)
		c.send(message(topic, tag, body))
		sent = append(sent, body)
		if tag != "C" {
			wanted = append(wanted, body)
		}
	}
	all.awaitAll(60, sent)
	chosen.awaitAll(60, wanted)
	check(chosen.size() == len(wanted), "%d messages with a chosen tag, not %d", len(wanted), chosen.size())
}

func orderly(c *context) {
	topic := c.topic(2)
	r := newReceived()
	subscribe(c.newPush(c.unique("G"), consumer.WithConsumerOrder(true)), topic, "*", r)
	r.awaitAll(60, c.sendMany(topic, "step", 60))
	next := map[string]int64{}
	for _, m := range r.order {
		queue := m.Queue.String()
		check(m.QueueOffset >= next[queue], "offset %d after %d in %s", m.QueueOffset, next[queue], queue)
		next[queue] = m.QueueOffset
	}
}

func offsetsOutliveTheClient(c *context) {
	topic := c.topic(2)
	group := c.unique("G")
	first := newReceived()
	before := c.newPush(group)
	subscribe(before, topic, "*", first)
	first.awaitAll(60, c.sendMany(topic, "seen", 40))
	must(before.Shutdown())
	missed := c.sendMany(topic, "missed", 40)
	second := newReceived()
	subscribe(c.newPush(group), topic, "*", second)
	second.awaitAll(60, missed)
	check(second.size() == 40, "40 messages after the restart, not %d", second.size())
}

func single(c *context, count int) (string, *primitive.MessageQueue) {
	topic := c.unique("T")
	tool, err := admin.NewAdmin(admin.WithResolver(c.resolver))
	must(err)
	must(tool.CreateTopic(background, admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(c.masters[0]),
		admin.WithReadQueueNums(1), admin.WithWriteQueueNums(1)))
	await(90, func() string { return "a route" }, func() bool {
		found, err := tool.FetchPublishMessageQueues(background, topic)
		return err == nil && len(found) == 1
	})
	var queue *primitive.MessageQueue
	for i := 0; i < count; i++ {
		queue = c.send(message(topic, "TagA", fmt.Sprint("m", i))).MessageQueue
	}
	return topic, queue
}

func pullFrom(c *context) {
	topic, queue := single(c, 30)
	puller := c.newPull(c.unique("G"), topic)
	var result *primitive.PullResult
	await(90, func() string { return "messages from offset 10" }, func() bool {
		var err error
		result, err = puller.PullFrom(background, queue, 10, 8)
		return err == nil && result.Status == primitive.PullFound && len(result.GetMessageExts()) == 8
	})
	check(string(result.GetMessageExts()[0].Body) == "m10", "first message %s", result.GetMessageExts()[0].Body)
	check(result.NextBeginOffset == 18, "next offset %d", result.NextBeginOffset)
	check(result.MaxOffset == 30 && result.MinOffset == 0, "offsets %d to %d", result.MinOffset, result.MaxOffset)
	end, err := puller.PullFrom(background, queue, 30, 8)
	must(err)
	check(end.Status == primitive.PullNoNewMsg, "a pull at the end: %v", end.Status)
}

func committedOffset(c *context) {
	topic, queue := single(c, 10)
	group := c.unique("G")
	first := c.newPull(group, topic)
	// The client forgets an offset that is set before its first rebalance has given it the queue, and does not wait for the
	// broker's answer; a new member keeps the first offset it has read. So it is set until the broker has it.
	stored := make(chan struct{})
	go func() {
		for {
			select {
			case <-stored:
				return
			case <-time.After(100 * time.Millisecond):
				_ = first.UpdateOffset(queue, 7) // what fails shows in the broker's answer
				_ = first.PersistOffset(background, topic)
			}
		}
	}()
	ask(fmt.Sprintf("committed %s %s 7", group, topic))
	stored <- struct{}{}
	offset, err := c.newPull(group, topic).CurrentOffset(queue)
	must(err)
	check(offset == 7, "offset 7 at a new member, not %d", offset)
}

func madeByTheFirstSend(c *context) {
	topic := c.unique("auto")
	c.send(message(topic, "TagA", "creates it"))
	tool, err := admin.NewAdmin(admin.WithResolver(c.resolver))
	must(err)
	brokers := 1
	if c.ours {
		brokers = len(c.masters)
	}
	var found []*primitive.MessageQueue
	await(90, func() string { return fmt.Sprintf("%d queues, have %d", 4*brokers, len(found)) }, func() bool {
		found, err = tool.FetchPublishMessageQueues(background, topic)
		return err == nil && len(found) == 4*brokers
	})
	c.stored(topic, 1)
}

func deleted(c *context) {
	topic := c.topic(1)
	tool, err := admin.NewAdmin(admin.WithResolver(c.resolver))
	must(err)
	listed := func() bool {
		list, err := tool.FetchAllTopicList(background)
		must(err)
		for _, name := range list.TopicList {
			if name == topic {
				return true
			}
		}
		return false
	}
	check(listed(), "%s is listed", topic)
	for _, master := range c.masters {
		must(tool.DeleteTopic(background, admin.WithTopicDelete(topic), admin.WithBrokerAddrDelete(master)))
	}
	check(!listed(), "%s is no longer listed", topic)
}

func brokerKilled(c *context) {
	topic := c.topic(4)
	r := newReceived()
	subscribe(c.newPush(c.unique("G")), topic, "*", r)
	p := c.newProducer(producer.WithSendMsgTimeout(time.Second))
	var acknowledged []string
	var lock sync.Mutex
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; !stop.Load(); i++ {
			body := fmt.Sprint("load", i)
			result, err := p.SendSync(background, message(topic, "TagA", body))
			if err != nil || result.Status != primitive.SendOK {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			lock.Lock()
			acknowledged = append(acknowledged, body)
			lock.Unlock()
		}
	}()
	count := func() int { lock.Lock(); defer lock.Unlock(); return len(acknowledged) }
	await(90, func() string { return "the load running" }, func() bool { return count() > 300 && r.size() > 0 })
	ask("kill broker-0")
	ask("start broker-0")
	before := count()
	await(90, func() string { return "sends acknowledged again" }, func() bool { return count() > before+300 })
	stop.Store(true)
	<-done
	r.awaitAll(120, acknowledged)
}
