// The dashboard of dashboard.py in JavaScript, with zeromq.js 6: it ends when it shows all.
//
//     node examples/dashboard.mjs ENDPOINT COUNT

import { createRequire } from "node:module"
import path from "node:path"

// Of the folder that it is started in, where `npm install zeromq` has put it.
const zmq = createRequire(path.resolve("dashboard.mjs"))("zeromq")

const [endpoint, count] = process.argv.slice(2)
const subscriber = new zmq.Subscriber({ receiveTimeout: 60_000 })
subscriber.subscribe("price.")
subscriber.connect(endpoint)

const prices = new Map()
while (prices.size < Number(count)) {
  const [topic, price] = await subscriber.receive()
  prices.set(topic.toString(), price.toString())
}
for (const topic of [...prices.keys()].sort()) console.log(topic, prices.get(topic))
subscriber.close()
