// A subscriber with the npm package zeromq; see the README beside this folder.
"use strict"

const readline = require("node:readline")
const zmq = require("zeromq")

function adler32(data) {
  let a = 1
  let b = 0
  for (const byte of data) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return (b * 65536 + a).toString(16)
}

function describe(frame) {
  return `${frame.length}:${adler32(frame)}:${frame.subarray(0, 16).toString("hex")}`
}

const OPTIONS = {
  plain_user: "plainUsername",
  plain_password: "plainPassword",
  curve_server: "curveServerKey",
  curve_public: "curvePublicKey",
  curve_secret: "curveSecretKey",
  heartbeats: "heartbeatInterval",
}
const EVENTS = {
  connect: "connected",
  disconnect: "disconnected",
  handshake: "handshake_succeeded",
  "handshake:error:protocol": "handshake_failed_protocol",
  "handshake:error:auth": "handshake_failed_auth",
  "handshake:error:other": "handshake_failed_no_detail",
}

const options = {}
for (const word of process.argv.slice(3)) {
  const at = word.indexOf("=")
  const value = word.slice(at + 1)
  options[OPTIONS[word.slice(0, at)]] = word.startsWith("heartbeats=") ? Number(value) : value
}
const subscriber = new zmq.Subscriber(options)
for (const kind of Object.keys(EVENTS)) {
  subscriber.events.on(kind, () => console.log(`event ${EVENTS[kind]}`))
}
let ended = false
let going = Promise.resolve()
let go = () => {}

async function read() {
  while (!ended) {
    await going
    try {
      const frames = await subscriber.receive()
      console.log(["message", ...frames.map(describe)].join(" "))
    } catch (error) {
      if (!ended) console.log(`error ${error.message}`)
    }
  }
}

function obey(line) {
  const [verb, text = ""] = line.split(/ (.*)/)
  if (verb === "subscribe") subscriber.subscribe(text)
  else if (verb === "cancel") subscriber.unsubscribe(text)
  else if (verb === "stop") going = new Promise((resolve) => { go = resolve })
  else if (verb === "go") go()
  else end()
}

function end() {
  if (ended) return
  ended = true
  go()
  commands.close()
  subscriber.close()
  process.stdin.destroy() // which else keeps the program running
}

const commands = readline.createInterface({ input: process.stdin })
commands.on("line", obey)
commands.on("close", end)
subscriber.connect(process.argv[2])
console.log("ready")
read()
