// What applications do with MQTT.js over WebSocket against the broker on a port.
//
//     node mqttjs_application.cjs PORT 4|5
//
// Ends with 0 if everything was as the standard says, and else with the first thing that was not.

const assert = require('node:assert');
const { once } = require('node:events');
const mqtt = require('mqtt');

const [port, version] = process.argv.slice(2).map(Number);
const COUNT = 600;

function connect(clientId, options) {
  const all = { clientId, protocolVersion: version, reconnectPeriod: 0, ...options };
  return mqtt.connectAsync(`ws://127.0.0.1:${port}/mqtt`, all);
}

// The next `count` messages of a client, as its handler gets them.
function messages(client, count) {
  return new Promise((resolve, reject) => {
    const heard = [];
    client.on('error', reject).on('close', () => reject(new Error(`closed after ${heard.length}`)));
    client.on('message', (topic, payload, packet) => {
      heard.push({ topic, text: payload.toString(), qos: packet.qos, properties: packet.properties });
      if (heard.length === count) resolve(heard);
    });
  });
}

async function everyQos() {
  const ann = await connect('ann');
  const bob = await connect('bob');
  await bob.subscribeAsync('load/#', { qos: 2 });
  const heard = messages(bob, COUNT);
  const sent = [];
  for (let number = 0; number < COUNT; number += 1) {
    sent.push(ann.publishAsync(`load/${number % 3}`, String(number), { qos: number % 3 }));
  }
  await Promise.all(sent);
  for (const qos of [0, 1, 2]) {
    const numbers = (await heard).filter((one) => one.qos === qos).map((one) => Number(one.text));
    assert.deepStrictEqual(numbers, Array.from({ length: COUNT / 3 }, (_, index) => 3 * index + qos));
  }
  await Promise.all([ann.endAsync(), bob.endAsync()]);
}

async function longMessages() {
  const ann = await connect('ann');
  await ann.subscribeAsync('long', { qos: 1 });
  const heard = messages(ann, 2);
  const text = 'é'.repeat(300_000);
  await ann.publishAsync('long', text, { qos: 1 });
  await ann.publishAsync('long', 'short', { qos: 1 });
  assert.deepStrictEqual((await heard).map((one) => one.text), [text, 'short']);
  await ann.endAsync();
}

async function sessionsAndWills() {
  const lasting = version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
  const first = await connect('lasting', { clean: false, ...lasting });
  await first.subscribeAsync(['missed', 'wills'], { qos: 1 });
  const crashes = await connect('crashes', { will: { topic: 'wills', payload: 'gone', qos: 1 } });
  const will = messages(first, 1);
  crashes.stream.destroy();
  assert.strictEqual((await will)[0].text, 'gone');
  await first.endAsync();
  const ann = await connect('ann');
  for (const number of [1, 2, 3]) await ann.publishAsync('missed', String(number), { qos: 1 });
  await ann.endAsync();
  const second = mqtt.connect(`ws://127.0.0.1:${port}/mqtt`, {
    clientId: 'lasting', protocolVersion: version, reconnectPeriod: 0, clean: false, ...lasting,
  });
  const missed = messages(second, 3);
  const [connack] = await once(second, 'connect');
  assert.strictEqual(connack.sessionPresent, true);
  assert.deepStrictEqual((await missed).map((one) => one.text), ['1', '2', '3']);
  await second.endAsync();
}

async function properties() {
  if (version !== 5) return;
  const ann = await connect('ann');
  await ann.subscribeAsync('with/#', { qos: 1, properties: { subscriptionIdentifier: 7 } });
  const heard = messages(ann, 1);
  const sent = { contentType: 'text/plain', responseTopic: 'answers', userProperties: { k: 'v' } };
  await ann.publishAsync('with/1', 'x', { qos: 1, properties: sent });
  const got = (await heard)[0].properties;
  assert.strictEqual(got.contentType, 'text/plain');
  assert.strictEqual(got.responseTopic, 'answers');
  assert.strictEqual(got.userProperties.k, 'v');
  assert.strictEqual(got.subscriptionIdentifier, 7);
  await ann.endAsync();
}

async function main() {
  for (const part of [everyQos, longMessages, sessionsAndWills, properties]) {
    await part();
    console.log(part.name);
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
