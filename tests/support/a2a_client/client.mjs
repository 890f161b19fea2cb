// The JavaScript SDK's A2A client, driven line by line: each line of standard input is one request,
// {"do": "sendMessage", "with": {…}} with the parameters as the protocol writes them in JSON. Answers are lines
// too: {"is": …} for each result or event, then {"done": true}, or {"failed": name, "said": message}.
// "readNotification" reads the body of a push notification as the SDK does.
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
  getTaskPushNotificationConfig: sdk.GetTaskPushNotificationConfigRequest,
  listTaskPushNotificationConfig: sdk.ListTaskPushNotificationConfigsRequest,
  deleteTaskPushNotificationConfig: sdk.DeleteTaskPushNotificationConfigRequest,
};

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const client = await new ClientFactory().createFromUrl(url, path);
for await (const line of createInterface({ input: process.stdin })) {
  const { do: method, with: params } = JSON.parse(line);
  try {
    if (method === "readNotification") {
      say({ is: sdk.StreamResponse.toJSON(sdk.StreamResponse.fromJSON(params)) });
      say({ done: true });
      continue;
    }
    const answer = client[method](REQUESTS[method].fromJSON(params));
    if (Symbol.asyncIterator in answer) {
      for await (const event of answer) say({ is: sdk.StreamResponse.toJSON(event) });
    } else {
      say({ is: (await answer) ?? null });
    }
    say({ done: true });
  } catch (error) {
    say({ failed: error.name, said: error.message });
  }
}
