// The Go client against the servers named on the command line. It speaks the line protocol of
// tools/interop/src/client.rs: plans, results, and requests to stop or start a server.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type scenario struct {
	name  string
	alone bool // stops servers, so it runs after the others
	body  func(*context)
}

var scenarios = []scenario{
	{"send/sync", false, sendSync},
	{"send/async", false, sendAsync},
	{"send/oneway", false, sendOneway},
	{"send/batch", false, sendBatch},
	{"send/selector", false, sendSelector},
	{"message/round-trip", false, roundTrip},
	{"message/compressed-body", false, compressedBody},
	{"push/clustering-two-members-one-leaves", false, clustering},
	{"push/broadcasting", false, broadcasting},
	{"push/tags", false, tags},
	{"push/orderly", false, orderly},
	{"push/offsets-outlive-the-client", false, offsetsOutliveTheClient},
	{"pull/from-an-offset", false, pullFrom},
	{"pull/committed-offset", false, committedOffset},
	{"topic/made-by-the-first-send", false, madeByTheFirstSend},
	{"topic/deleted", false, deleted},
	{"restart/broker-killed-under-load", true, brokerKilled},
}

func main() {
	rlog.SetLogLevel("error")
	options := map[string]string{}
	for i := 1; i+1 < len(os.Args); i += 2 {
		options[os.Args[i]] = os.Args[i+1]
	}
	var chosen []scenario
	for _, s := range scenarios {
		if wanted(s.name, options["--only"]) && !(s.alone && options["--calm"] != "") {
			chosen = append(chosen, s)
			say("PLAN " + s.name)
		}
	}
	places := make(chan struct{}, 6)
	var running sync.WaitGroup
	for _, s := range chosen {
		if s.alone {
			continue
		}
		running.Add(1)
		places <- struct{}{}
		go func(s scenario) {
			defer func() { <-places; running.Done() }()
			run(s, options)
		}(s)
	}
	running.Wait()
	for _, s := range chosen {
		if s.alone {
			run(s, options)
		}
	}
	say("END")
}

func wanted(name, only string) bool {
	for _, part := range strings.Split(only, ",") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func run(s scenario, options map[string]string) {
	start := time.Now()
	c := newContext(s.name, options)
	defer func() {
		failure := recover()
		ms := strconv.FormatInt(time.Since(start).Milliseconds(), 10)
		if failure == nil {
			say("PASS " + s.name + " " + ms)
		} else {
			say("FAIL " + s.name + " " + ms + " " + fmt.Sprint(failure))
		}
		c.close()
	}()
	s.body(c)
}

var (
	saying sync.Mutex
	asking sync.Mutex // one request at a time; its answer is the next line of input
	input  = bufio.NewReader(os.Stdin)
)

func say(line string) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Println("@@ " + strings.ReplaceAll(line, "\n", " "))
}

// Asks the harness to stop, kill or start a server; returns once it is done.
func ask(command string) {
	asking.Lock()
	defer asking.Unlock()
	say("DO " + command)
	answer, err := input.ReadString('\n')
	must(err)
	check(answer == "OK\n", "harness, on %q: %s", command, answer)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, format string, args ...any) {
	if !holds {
		panic(fmt.Sprintf(format, args...))
	}
}

// Polls until the condition holds.
func await(seconds int, what func() string, condition func() bool) {
	deadline := time.Now().Add(time.Duration(seconds) * time.Second)
	for !condition() {
		check(time.Now().Before(deadline), "not within %d s: %s", seconds, what())
		time.Sleep(20 * time.Millisecond)
	}
}
