// ali-ons against the servers named on the command line. It speaks the line protocol of
// tools/interop/src/client.rs: plans, results, and requests to stop or start a server.
'use strict';

const assert = require('assert');
const readline = require('readline');
const { Consumer, Producer, Message } = require('ali-ons');

const options = {};
for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i]] = process.argv[i + 1];
const quiet = { debug() {}, info() {}, warn() {}, error(...words) { console.error(...words); } };
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let serial = 0;

const say = line => process.stdout.write(`@@ ${line.replace(/\s*\n\s*/g, ' ')}\n`);
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
const unique = what => `node_${what}_${process.pid}_${++serial}`;

let asking = Promise.resolve();

/** One request at a time; its answer is the next line of input. */
function ask(command) {
  const answered = asking.then(async () => {
    say(`DO ${command}`);
    const { value } = await input.next();
    assert.strictEqual(value, 'OK', `harness, on '${command}'`);
  });
  asking = answered.catch(() => {});
  return answered;
}

async function until(seconds, what, condition) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what()}`);
    await pause(20);
  }
}

/** Clients of one scenario, closed when it ends. */
class Context {
  constructor() {
    this.closing = [];
  }

  settings(extra) {
    return {
      // The address service that `httpclient` is for is not asked when name servers are given.
      httpclient: { request() { throw new Error('no address service here'); } },
      nameSrv: options['--namesrv'].split(';'),
      onsAddr: '',
      logger: quiet,
      clientIP: '127.0.0.1',
      instanceName: unique('instance'),
      pollNameServerInteval: 2000,
      rebalanceInterval: 2000,
      heartbeatBrokerInterval: 2000,
      ...extra,
    };
  }

  async producer(extra = {}) {
    const producer = new Producer(this.settings({ producerGroup: unique('PG'), retryTimesWhenSendFailed: 0, ...extra }));
    producer.on('error', e => console.error(e));
    await producer.ready();
    this.closing.push(() => producer.close());
    return producer;
  }

  /** Adds each message to `received`: body to list of messages. */
  async consumer(group, topic, expression, received, extra = {}) {
    const consumer = new Consumer(this.settings({
      consumerGroup: group,
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      ...extra,
    }));
    consumer.on('error', e => console.error(e));
    consumer.subscribe(topic, expression, async message => {
      const body = message.body.toString();
      received.set(body, (received.get(body) || []).concat(message));
    });
    await consumer.ready();
    this.closing.push(() => consumer.close());
    return consumer;
  }

  /** This client cannot make topics, not even by sending: the harness makes it. Its first message is `first`. */
  async topic() {
    const topic = unique('T');
    await ask(`topic ${topic}`);
    const producer = await this.producer();
    await send(producer, topic, 'TagA', 'first');
    return { topic, producer };
  }

  async close() {
    for (const close of this.closing.reverse()) {
      try {
        await close();
      } catch (e) {
        console.error(e);
      }
    }
  }
}

async function send(producer, topic, tag, body, edit = () => {}) {
  const message = new Message(topic, tag, body);
  edit(message);
  const result = await producer.send(message);
  assert.strictEqual(result.sendStatus, 'SEND_OK');
  return result;
}

async function sendMany(producer, topic, prefix, count, tag = 'TagA') {
  const bodies = [];
  for (let i = 0; i < count; i++) {
    bodies.push(prefix + i);
    await send(producer, topic, tag, prefix + i);
  }
  return bodies;
}

async function awaitAll(seconds, received, bodies) {
  const missing = () => bodies.filter(body => !received.has(body));
  await until(seconds, () => `${bodies.length} messages, missing ${missing().length}`, () => missing().length === 0);
}

const scenarios = {
  async 'send/sync'(c) {
    const { topic, producer } = await c.topic();
    const next = new Map();
    const ids = new Set();
    for (let i = 0; i < 40; i++) {
      const result = await send(producer, topic, 'TagA', `sync${i}`);
      const queue = `${result.messageQueue.brokerName} ${result.messageQueue.queueId}`;
      const offset = Number(result.queueOffset);
      if (next.has(queue)) assert.strictEqual(offset, next.get(queue), `offset in ${queue}`);
      next.set(queue, offset + 1);
      assert.ok(!ids.has(result.msgId), 'a new id');
      ids.add(result.msgId);
    }
    const received = new Map();
    await c.consumer(unique('G'), topic, '*', received);
    await until(60, () => `41 messages, have ${received.size}`, () => received.size === 41);
  },

  async 'message/round-trip'(c) {
    const { topic, producer } = await c.topic();
    const result = await send(producer, topic, '标签', 'grüße, 世界 \u{1F680}', m => {
      m.keys = ['ключ'];
      m.properties.größe = '10 €; a=b';
    });
    const received = new Map();
    await c.consumer(unique('G'), topic, '*', received);
    await awaitAll(60, received, ['grüße, 世界 \u{1F680}']);
    const [message] = received.get('grüße, 世界 \u{1F680}');
    assert.strictEqual(message.tags, '标签');
    assert.strictEqual(message.keys, 'ключ');
    assert.strictEqual(message.properties.größe, '10 €; a=b');
    assert.strictEqual(message.topic, topic);
    assert.strictEqual(message.msgId, result.msgId);
  },

  async 'message/compressed-body'(c) {
    const { topic, producer } = await c.topic();
    const body = 'All work and no play makes Jack a dull boy. '.repeat(1000);
    await send(producer, topic, 'TagA', body);
    const received = new Map();
    await c.consumer(unique('G'), topic, '*', received);
    await awaitAll(60, received, [body]);
    assert.ok(received.get(body)[0].storeSize < body.length / 2, 'stored compressed');
  },

  async 'push/clustering-two-members-one-leaves'(c) {
    const { topic, producer } = await c.topic();
    const group = unique('G');
    const left = new Map();
    const right = new Map();
    const leaver = await c.consumer(group, topic, '*', left);
    await c.consumer(group, topic, '*', right);
    const sent = [];
    const lost = () => sent.filter(body => !left.has(body) && !right.has(body));
    await until(60, () => `both members get messages: ${left.size} and ${right.size}`, async () => {
      sent.push(...await sendMany(producer, topic, `round${sent.length}-`, 16));
      return left.size > 0 && right.size > 0;
    });
    await until(60, () => `${lost().length} messages at neither`, () => lost().length === 0);
    await leaver.close();
    sent.push(...await sendMany(producer, topic, 'after', 50));
    await until(60, () => `${lost().length} messages at neither`, () => lost().length === 0);
  },

  async 'push/broadcasting'(c) {
    const { topic, producer } = await c.topic();
    const group = unique('G');
    const members = [new Map(), new Map()];
    // Offsets in memory: a broadcasting member starts at the end, so both must be there first.
    for (const member of members) await c.consumer(group, topic, '*', member, { isBroadcast: true });
    const sent = await sendMany(producer, topic, 'all', 30);
    for (const member of members) await awaitAll(60, member, sent);
  },

  async 'push/tags'(c) {
    const { topic, producer } = await c.topic();
    const received = new Map();
    await c.consumer(unique('G'), topic, 'B || C', received);
    const wanted = [];
    for (const tag of ['A', 'B', 'C']) {
      const sent = await sendMany(producer, topic, tag, 15, tag);
      if (tag !== 'A') wanted.push(...sent);
    }
    await awaitAll(60, received, wanted);
    assert.strictEqual(received.size, wanted.length, 'only messages with a chosen tag');
  },

  async 'push/offsets-outlive-the-client'(c) {
    const { topic, producer } = await c.topic();
    const group = unique('G');
    const first = new Map();
    const before = await c.consumer(group, topic, '*', first);
    await awaitAll(60, first, ['first', ...await sendMany(producer, topic, 'seen', 30)]);
    await before.close();
    const missed = await sendMany(producer, topic, 'missed', 30);
    const second = new Map();
    await c.consumer(group, topic, '*', second);
    await awaitAll(60, second, missed);
    assert.strictEqual(second.size, missed.length, 'nothing that was consumed before');
  },

  async 'restart/broker-killed-under-load'(c) {
    const { topic, producer } = await c.topic();
    const received = new Map();
    await c.consumer(unique('G'), topic, '*', received);
    const acknowledged = [];
    let stop = false;
    const load = (async () => {
      for (let i = 0; !stop; i++) {
        try {
          await send(producer, topic, 'TagA', `load${i}`);
          acknowledged.push(`load${i}`);
        } catch (e) {
          await pause(20);
        }
      }
    })();
    await until(60, () => 'the load running', () => acknowledged.length > 200 && received.size > 0);
    await ask('kill broker-0');
    await ask('start broker-0');
    const before = acknowledged.length;
    await until(60, () => 'sends acknowledged again', () => acknowledged.length > before + 200);
    stop = true;
    await load;
    await awaitAll(120, received, acknowledged);
  },
};

(async () => {
  const only = (options['--only'] || '').split(',');
  const chosen = Object.keys(scenarios).filter(name => only.some(part => name.includes(part)))
    .filter(name => !options['--calm'] || !name.startsWith('restart/'));
  chosen.forEach(name => say(`PLAN ${name}`));
  const run = async name => {
    const c = new Context();
    const start = Date.now();
    try {
      await scenarios[name](c);
      say(`PASS ${name} ${Date.now() - start}`);
    } catch (e) {
      console.error(name, e);
      say(`FAIL ${name} ${Date.now() - start} ${e.message}`);
    }
    await c.close();
  };
  await Promise.all(chosen.filter(name => !name.startsWith('restart/')).map(run));
  for (const name of chosen.filter(name => name.startsWith('restart/'))) await run(name);
  say('END');
  process.exit(0); // its timers would keep the process alive
})();
process.on('unhandledRejection', e => console.error('unhandled', e));
