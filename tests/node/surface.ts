// tsx surface.ts MODEL PART...: calls every method of these parts of the official Node SDK that the platform serves; MODEL is
// a tuned one that may be deleted. One JSON line for each call, one for each answer as it came over the wire, and at the end
// one with all methods that the SDK has. Who reads the lines judges them.
import OpenAI, { toFile } from 'openai';

const [BASE, EMBEDDER, HOSTED] = ['tiny-reader', 'all-MiniLM-L6-v2', 'gpt-4o-mini-2024-07-18'];
const QUESTION = 'How many days of leave do full-time staff at Thornby receive?';
const LEAVE = '# Leave at Thornby\n\nFull-time staff at Thornby receive 29 days of leave each year.\n';
const messages = [{ role: 'user' as const, content: QUESTION }];
const verdict = {
  type: 'object',
  properties: { verdict: { type: 'string', enum: ['yes', 'no'] } },
  required: ['verdict'],
  additionalProperties: false,
};
const daysOfLeave = {
  name: 'days_of_leave',
  description: 'Days of leave of a kind of staff.',
  parameters: {
    type: 'object',
    properties: { staff: { type: 'string', enum: ['full-time', 'part-time'] } },
    required: ['staff'],
    additionalProperties: false,
  },
};

const tell = (line: object) => console.log(JSON.stringify(line));
const heard: Promise<void>[] = [];

// The SDK's own transport, written along.
async function hear(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const type = response.headers.get('content-type') ?? '';
  const told = { answer: init?.method ?? 'GET', path: new URL(String(url)).pathname, status: response.status, type };
  if (!/json|event-stream/.test(type) || !response.body) {
    tell(told);
    return response;
  }
  const [mine, theirs] = response.body.tee();
  heard.push(new Response(mine).text().then((body) => tell({ ...told, body })));
  return new Response(theirs, { status: response.status, headers: response.headers });
}

const isResource = (value: any) => typeof value === 'object' && value !== null && '_client' in value;

function methodsOf(resource: any, prefix: string): string[] {
  const own = Object.getOwnPropertyNames(Object.getPrototypeOf(resource))
    .filter((name) => prefix && name !== 'constructor' && !name.startsWith('_'))
    .map((name) => prefix + name);
  const parts = Object.entries(resource).filter(([name, value]) => name !== '_client' && isResource(value));
  return [...own, ...parts.flatMap(([name, part]) => methodsOf(part, `${prefix}${name}.`))];
}

// The same client, but each call of a method is told.
function watched(resource: any, prefix = ''): any {
  return new Proxy(resource, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof name === 'string' && name !== '_client' && isResource(value)) return watched(value, `${prefix}${name}.`);
      if (typeof value !== 'function') return value;
      return (...given: any[]) => {
        if (prefix) tell({ called: prefix + String(name) });
        return value.apply(target, given);
      };
    },
  });
}

function check(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

async function refused(status: number, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (error instanceof OpenAI.APIError && error.status === status) return;
    throw error;
  }
  throw new Error(`nothing was refused with ${status}: ${call}`);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await holds())) {
    check(Date.now() < deadline, `not within two minutes: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of pages) found.push(one);
  return found;
}

const text = (body: string, name: string) => toFile(Buffer.from(body), name);

async function models(openai: OpenAI, tuned: string) {
  check((await all(openai.models.list())).some((model) => model.id === tuned), 'the tuned model is not listed');
  check((await openai.models.retrieve(tuned)).id === tuned, 'a name with colons does not come back');
  await refused(404, () => openai.models.retrieve('a/b:c'));
  await refused(403, () => openai.models.delete(BASE));
  check((await openai.models.delete(tuned)).deleted, 'not deleted');
}

async function files(openai: OpenAI) {
  const file = await openai.files.create({
    file: await text(LEAVE, 'leave.md'),
    purpose: 'vision',
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  check((await openai.files.waitForProcessing(file.id)).status === 'processed', 'not processed');
  check((await openai.files.retrieve(file.id)).bytes === LEAVE.length, 'other bytes');
  check((await all(openai.files.list({ limit: 1 }))).some(({ id }) => id === file.id), 'not listed');
  check((await (await openai.files.content(file.id)).text()) === LEAVE, 'other content');
  check((await openai.files.delete(file.id)).deleted, 'not deleted');
  await refused(404, () => openai.files.content(file.id));
  await refused(400, async () => openai.files.create({ file: await text('a', 'a'), purpose: 'fun' as any }));
}

async function uploads(openai: OpenAI) {
  const asked = { filename: 'a.jsonl', bytes: 6, mime_type: 'text/jsonl', purpose: 'fine-tune' as const };
  const upload = await openai.uploads.create(asked);
  const last = await openai.uploads.parts.create(upload.id, { data: await text('def', 'two') });
  const first = await openai.uploads.parts.create(upload.id, { data: await text('abc', 'one') });
  const done = await openai.uploads.complete(upload.id, { part_ids: [first.id, last.id] });
  check((await (await openai.files.content(done.file!.id)).text()) === 'abcdef', 'parts out of order');
  check((await openai.uploads.cancel((await openai.uploads.create(asked)).id)).status === 'cancelled', 'goes on');
  await refused(404, () => openai.uploads.complete('upload_nobody', { part_ids: [] }));
  await openai.files.delete(done.file!.id);
}

async function fineTuning(openai: OpenAI) {
  const { jobs } = openai.fineTuning;
  const line = JSON.stringify({ messages: [...messages, { role: 'assistant', content: '29 days.' }] });
  const file = await openai.files.create({ file: await text(`${line}\n`.repeat(20), 'a.jsonl'), purpose: 'fine-tune' });
  const job = await jobs.create({ training_file: file.id, model: HOSTED, metadata: { made: 'by the node sdk' } });
  await jobs.pause(job.id);
  await until(async () => (await jobs.retrieve(job.id)).status === ('paused' as string));
  check((await all(jobs.list({ metadata: { made: 'by the node sdk' } }))).length === 1, 'not found by its metadata');
  check((await all(jobs.listEvents(job.id, { limit: 1 }))).length > 1, 'no events');
  check((await all(jobs.checkpoints.list(job.id))).length === 0, 'a checkpoint is a model that answers');
  await jobs.resume(job.id);
  await jobs.cancel(job.id);
  await until(async () => (await jobs.retrieve(job.id)).status === 'cancelled');
  await refused(404, () => jobs.retrieve('ftjob-nobody'));
  await refused(400, () => jobs.create({ training_file: 'file-nobody', model: HOSTED }));
}

async function chat(openai: OpenAI) {
  const { completions } = openai.chat;
  const asked = { model: BASE, messages, max_tokens: 8, temperature: 0 };
  const whole = await completions.create({ ...asked, logprobs: true, top_logprobs: 2, seed: 1, stop: ['\n\n'] });
  const two = await completions.create({ ...asked, temperature: 1, n: 2 });
  check(two.choices.length === 2, 'n=2');
  let said = '';
  let usage;
  const options = { stream: true as const, stream_options: { include_usage: true } };
  for await (const chunk of await completions.create({ ...asked, ...options })) {
    said += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  check(said === whole.choices[0].message.content, 'a stream says something else');
  check(usage?.completion_tokens === whole.usage?.completion_tokens, 'and counts otherwise');
  const schema = { type: 'json_schema' as const, json_schema: { name: 'verdict', strict: true, schema: verdict } };
  // A small model may write white space without end; repeating itself costs it something.
  const formed = { ...asked, max_tokens: 200, frequency_penalty: 2, response_format: schema };
  const parsed = await completions.parse(formed);
  check(/yes|no/.test(parsed.choices[0].message.content!), 'no verdict');
  const streamed = completions.stream(formed);
  check(/yes|no/.test((await streamed.finalContent())!), 'no verdict in a stream');
  const runner = completions.runTools({
    ...asked,
    tool_choice: 'none',
    tools: [{ type: 'function', function: { ...daysOfLeave, parse: JSON.parse, function: () => '29' } }],
  });
  check(await runner.finalContent(), 'no answer beside tools');
  for (const stream of [false, true]) {
    await refused(404, () => completions.create({ ...asked, model: 'nobody', stream }));
    await refused(400, () => completions.create({ ...asked, temperature: -1, stream }));
    await refused(400, () => completions.create({ ...asked, messages: [{ role: 'user', content: 'leave '.repeat(5000) }], stream }));
  }
}

async function completions(openai: OpenAI) {
  const asked = { model: BASE, prompt: 'Full-time staff receive', max_tokens: 4, temperature: 0 };
  const whole = await openai.completions.create({ ...asked, logprobs: 2 });
  let said = '';
  for await (const chunk of await openai.completions.create({ ...asked, stream: true })) said += chunk.choices[0].text;
  check(said === whole.choices[0].text, 'a stream says something else');
  await refused(400, () => openai.completions.create({ ...asked, best_of: 3 }));
}

async function embeddings(openai: OpenAI) {
  const [packed, plain, short] = await Promise.all(
    [{}, { encoding_format: 'float' as const }, { dimensions: 8 }].map((form) =>
      openai.embeddings.create({ model: EMBEDDER, input: ['leave', 'canteen'], ...form }),
    ),
  );
  const far = packed.data[1].embedding.some((number, index) => Math.abs(number - plain.data[1].embedding[index]) > 1e-6);
  check(packed.data[1].embedding.length === 384 && !far, 'base64 is something else');
  check(short.data[0].embedding.length === 8, 'dimensions');
  await refused(404, () => openai.embeddings.create({ model: BASE, input: 'leave' }));
  await refused(400, () => openai.embeddings.create({ model: EMBEDDER, input: '' }));
}

async function vectorStores(openai: OpenAI) {
  const { files, fileBatches } = openai.vectorStores;
  const store = await openai.vectorStores.create({ name: 'thornby from node', metadata: { team: 'hr' } });
  const at = { vector_store_id: store.id };
  check((await openai.vectorStores.update(store.id, { name: 'thornby' })).name === 'thornby', 'not renamed');
  check((await openai.vectorStores.retrieve(store.id)).status === 'completed', 'an empty store is complete');
  check((await all(openai.vectorStores.list({ limit: 1 }))).some(({ id }) => id === store.id), 'not listed');
  const made = [];
  for (const days of [29, 30, 31, 32]) {
    const file = await text(LEAVE.replace('29', String(days)), `${days}.md`);
    made.push((await openai.files.create({ file, purpose: 'assistants' })).id);
  }
  await files.create(store.id, { file_id: made[0], attributes: { year: 2026 } });
  check((await files.poll(store.id, made[0])).status === 'completed', 'not indexed');
  check((await files.createAndPoll(store.id, { file_id: made[1] })).status === 'completed', 'not indexed');
  const uploaded = await files.upload(store.id, await text(LEAVE.replace('29', '33'), '33.md'));
  await files.poll(store.id, uploaded.id);
  check((await files.uploadAndPoll(store.id, await text('no pdf', 'a.pdf'))).status === 'failed', 'read a broken file');
  check((await files.retrieve(made[0], at)).attributes?.year === 2026, 'attributes');
  check((await files.update(made[0], { ...at, attributes: { year: 2025 } })).attributes?.year === 2025, 'attributes');
  check((await all(files.content(made[0], at)))[0].text?.includes('29 days'), 'other content');
  check((await all(files.list(store.id, { limit: 1, filter: 'completed' }))).length === 3, 'not listed');
  const batch = await fileBatches.create(store.id, { file_ids: [made[2]] });
  check((await fileBatches.poll(store.id, batch.id)).file_counts.completed === 1, 'not indexed');
  check((await fileBatches.retrieve(batch.id, at)).status === 'completed', 'not complete');
  check((await all(fileBatches.listFiles(batch.id, at))).length === 1, 'not listed');
  await fileBatches.createAndPoll(store.id, { file_ids: [made[3]] });
  const more = await fileBatches.uploadAndPoll(store.id, { files: [await text(LEAVE.replace('29', '34'), '34.md')] });
  check(more.file_counts.completed === 1, 'not indexed');
  await fileBatches.cancel((await fileBatches.create(store.id, { file_ids: [made[3]] })).id, at);
  const filters = { type: 'eq' as const, key: 'year', value: 2025 };
  const hits = await all(openai.vectorStores.search(store.id, { query: QUESTION, filters }));
  check(hits.length > 0 && hits.every((hit) => hit.file_id === made[0]), 'other hits');
  check((await files.delete(made[1], at)).deleted, 'not deleted');
  await refused(404, () => files.retrieve('file-nobody', at));
  await refused(404, () => fileBatches.retrieve('vsfb_nobody', at));
  await refused(400, () => openai.vectorStores.search(store.id, { query: 'a', max_num_results: 51 }));
  check((await openai.vectorStores.delete(store.id)).deleted, 'not deleted');
}

async function responses(openai: OpenAI) {
  const store = await openai.vectorStores.create({ name: 'thornby for answers' });
  await openai.vectorStores.files.uploadAndPoll(store.id, await text(LEAVE, 'leave.md'));
  const search = { type: 'file_search' as const, vector_store_ids: [store.id], max_num_results: 2 };
  const asked = { model: BASE, input: QUESTION, temperature: 0, max_output_tokens: 60 };
  const first = await openai.responses.create({ ...asked, tools: [search], include: ['file_search_call.results'] });
  check(first.output.map((item) => item.type).join() === 'file_search_call,message', 'other items');
  check((await openai.responses.retrieve(first.id)).output_text === first.output_text, 'not kept');
  const second = await openai.responses.create({ ...asked, previous_response_id: first.id, max_output_tokens: 4 });
  check((await all(openai.responses.inputItems.list(second.id, { limit: 1 }))).length === 4, 'other items');
  const format = { type: 'json_schema' as const, name: 'verdict', strict: true, schema: verdict };
  const parsed = await openai.responses.parse({ ...asked, text: { format } });
  check(/^{/.test(parsed.output_text), 'no JSON');
  const stream = openai.responses.stream({ ...asked, tools: [search] });
  let said = '';
  for await (const event of stream) if (event.type === 'response.output_text.delta') said += event.delta;
  check(said === (await stream.finalResponse()).output_text, 'the pieces are not the whole');
  const tool = { type: 'function' as const, strict: true, ...daysOfLeave };
  for await (const _ of await openai.responses.create({ ...asked, tools: [tool], tool_choice: 'none', stream: true }));
  await refused(400, () => openai.responses.cancel(first.id));
  for (const streamed of [false, true]) {
    await refused(404, () => openai.responses.create({ ...asked, model: 'nobody', stream: streamed }));
    await refused(400, () => openai.responses.create({ ...asked, background: true, stream: streamed }));
  }
  await openai.responses.delete(first.id);
  await refused(404, () => openai.responses.retrieve(first.id));
  await openai.vectorStores.delete(store.id);
}

async function batches(openai: OpenAI) {
  const body = { model: BASE, messages, max_tokens: 2 };
  const line = JSON.stringify({ custom_id: 'one', method: 'POST', url: '/v1/chat/completions', body });
  const file = await openai.files.create({ file: await text(line, 'batch.jsonl'), purpose: 'batch' });
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
  const batch = await openai.batches.create(asked);
  const other = await openai.batches.create(asked);
  await openai.batches.cancel(other.id);
  await until(async () => (await openai.batches.retrieve(batch.id)).status === 'completed');
  check((await all(openai.batches.list({ limit: 1 }))).some(({ id }) => id === batch.id), 'not listed');
  await refused(404, () => openai.batches.retrieve('batch_nobody'));
  await refused(400, () => openai.batches.create({ ...asked, input_file_id: 'file-nobody' }));
}

async function administration(openai: OpenAI) {
  const { organization } = openai.admin;
  const { projects } = organization;
  const project = await projects.create({ name: 'node' });
  const at = { project_id: project.id };
  check((await projects.update(project.id, { name: 'node 2' })).name === 'node 2', 'not renamed');
  check((await projects.retrieve(project.id)).status === 'active', 'not active');
  check((await all(projects.list({ limit: 1 }))).some(({ id }) => id === project.id), 'not listed');
  const account = await projects.serviceAccounts.create(project.id, { name: 'bot' });
  await projects.serviceAccounts.retrieve(account.id, at);
  check((await all(projects.serviceAccounts.list(project.id))).length === 1, 'not listed');
  const key = await projects.serviceAccounts.apiKeys.create(account.id, { ...at, name: 'more' });
  check((await all(projects.apiKeys.list(project.id, { limit: 1 }))).length === 2, 'not listed');
  await projects.apiKeys.retrieve(key.id, at);
  await projects.apiKeys.delete(key.id, at);
  const [limit] = await all(projects.rateLimits.listRateLimits(project.id));
  await projects.rateLimits.updateRateLimit(limit.id, { ...at, max_requests_per_1_minute: 100 });
  await projects.serviceAccounts.delete(account.id, at);
  const { id: ada } = await openai.post<{ id: string }>('/organization/users', { body: { name: 'ada from node' } });
  check((await organization.users.update(ada, { role: 'owner' })).role === 'owner', 'another role');
  check((await organization.users.retrieve(ada)).id === ada, 'another user');
  check((await all(organization.users.list({ limit: 1 }))).some(({ id }) => id === ada), 'not listed');
  await projects.users.create(project.id, { user_id: ada, role: 'member' });
  check((await projects.users.update(ada, { ...at, role: 'owner' })).role === 'owner', 'another role');
  check((await projects.users.retrieve(ada, at)).id === ada, 'another user');
  check((await all(projects.users.list(project.id))).length === 1, 'not listed');
  await projects.users.delete(ada, at);
  await organization.users.delete(ada);
  check((await projects.archive(project.id)).status === 'archived', 'not archived');
  const chief = await organization.adminAPIKeys.create({ name: 'chief 3' });
  await organization.adminAPIKeys.retrieve(chief.id);
  check((await all(organization.adminAPIKeys.list({ limit: 1 }))).some(({ id }) => id === chief.id), 'not listed');
  await organization.adminAPIKeys.delete(chief.id);
  const day = Math.floor(Date.now() / 1000) - 86_400;
  await organization.usage.completions({ start_time: day, group_by: ['model'] });
  await organization.usage.embeddings({ start_time: day });
  await organization.usage.costs({ start_time: day });
  check((await all(organization.auditLogs.list({ limit: 5, project_ids: [project.id] }))).length > 2, 'nothing logged');
  await refused(404, () => projects.retrieve('nobody'));
}

async function elsewhere(openai: OpenAI) {
  await refused(404, () => openai.moderations.create({ input: 'a' }));
  await refused(404, () => openai.images.generate({ prompt: 'a', model: 'a' }));
  await refused(404, () => openai.beta.assistants.list() as any);
  const stranger = new OpenAI({ apiKey: 'sk-wrong', maxRetries: 0, fetch: hear });
  await refused(401, () => stranger.models.list() as any);
}

const unwatched = new OpenAI({ adminAPIKey: process.env.OPENAI_API_KEY, maxRetries: 0, fetch: hear });
const openai: OpenAI = watched(unwatched);
const [tuned, ...parts] = process.argv.slice(2);
const calls: Record<string, (openai: OpenAI) => Promise<void>> = {
  models: (client) => models(client, tuned),
  ...{ files, uploads, fineTuning, chat, completions, embeddings, vectorStores, responses, batches, administration, elsewhere },
};
for (const part of parts) await calls[part](openai);
await Promise.all(heard);
tell({ methods: methodsOf(unwatched, '') });
