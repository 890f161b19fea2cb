// Submits a task, reads it and follows it, with a client made from the .proto file. Arguments: the folder of
// the .proto files, the address.
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [folder, address] = process.argv.slice(2);
const definition = loader.loadSync("ops_core/rpc/v1/tasks.proto", {
  includeDirs: [folder],
  keepCase: true,
  longs: Number,
  enums: String,
});
const { TaskService } = grpc.loadPackageDefinition(definition).ops_core.rpc.v1;
const client = new TaskService(address, grpc.credentials.createInsecure());

const call = (method, request) =>
  new Promise((resolve, reject) =>
    client[method](request, { deadline: Date.now() + 10_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );

async function main() {
  const input_data = { fields: { n: { numberValue: 7 } } };
  const request = { task_type: "noop", input_data, idempotency_key: "from-node" };
  const { task } = await call("CreateTask", request);
  const again = await call("CreateTask", request);
  const read = (await call("GetTask", { task_id: task.task_id })).task;
  await call("CancelTask", { task_id: task.task_id });
  const types = [];
  for await (const event of client.WatchTask({ task_id: task.task_id })) types.push(event.type);
  const missing = await call("GetTask", { task_id: "task_none" }).catch((error) => error.code);
  const found = { id: task.task_id, replayed: again.replayed, status: read.status };
  console.log(JSON.stringify({ ...found, n: read.input_data.fields.n.numberValue, types, missing }));
  client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
