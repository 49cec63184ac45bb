// BullMQ on Redis, with undici: a job a message, its result kept.
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";
import { Pool } from "undici";

const [, , act, , size] = process.argv;
const connection = new IORedis(process.env.PEER_URL, { maxRetriesPerRequest: null });

function body(number) {
  const parameters = [{ type: "text", text: "Ada" }, { type: "text", text: `SPRING${number}` }];
  return JSON.stringify({
    messaging_product: "whatsapp",
    recipient_type: "individual",
    to: `44${7_100_000_000 + number}`,
    type: "template",
    template: { name: "spring", language: { code: "en" }, components: [{ type: "body", parameters }] },
  });
}

if (act === "fill") {
  const queue = new Queue("messages", { connection });
  const jobs = Array.from({ length: Number(size) }, (_, number) => ({ name: "send", data: { number } }));
  for (let at = 0; at < jobs.length; at += 1000) await queue.addBulk(jobs.slice(at, at + 1000));
  await queue.close();
  connection.disconnect();
} else {
  const address = new URL(process.env.PEER_ADDRESS);
  const pool = new Pool(address.origin, { connections: 100 });
  const headers = { "content-type": "application/json", authorization: "Bearer the key of the benchmarks" };
  const send = async (job) => {
    const answer = await pool.request({ method: "POST", path: address.pathname, headers, body: body(job.data.number) });
    const said = await answer.body.json();
    if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
    return said.messages[0].id;
  };
  new Worker("messages", send, { connection, concurrency: 100 });
}
