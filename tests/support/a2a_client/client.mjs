// The JavaScript SDK's A2A client, driven line by line: each line of standard input is one request,
// {"do": "sendMessage", "with": {…}} with the parameters as the protocol writes them in JSON. Answers are lines
// too: {"is": …} for each result or event, then {"done": true}, or {"failed": name, "said": message}.
// Arguments: the folder node_modules, the address, and the path of the card, if it is another one.
import { createInterface } from "node:readline";

const [modules, url, path] = process.argv.slice(2);
const sdk = await import(`${modules}/@a2a-js/sdk/dist/index.js`);
const { ClientFactory } = await import(`${modules}/@a2a-js/sdk/dist/client/index.js`);

const REQUESTS = {
  sendMessage: sdk.SendMessageRequest,
  sendMessageStream: sdk.SendMessageRequest,
  getTask: sdk.GetTaskRequest,
  listTasks: sdk.ListTasksRequest,
  cancelTask: sdk.CancelTaskRequest,
  resubscribeTask: sdk.SubscribeToTaskRequest,
  createTaskPushNotificationConfig: sdk.TaskPushNotificationConfig,
};

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const client = await new ClientFactory().createFromUrl(url, path);
for await (const line of createInterface({ input: process.stdin })) {
  const { do: method, with: params } = JSON.parse(line);
  try {
    const answer = client[method](REQUESTS[method].fromJSON(params));
    if (Symbol.asyncIterator in answer) {
      for await (const event of answer) say({ is: sdk.StreamResponse.toJSON(event) });
    } else {
      say({ is: await answer });
    }
    say({ done: true });
  } catch (error) {
    say({ failed: error.name, said: error.message });
  }
}
