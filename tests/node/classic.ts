// The classic of its kind: upload examples, tune a small hosted model on them, ask the tuned model.
// OPENAI_BASE_URL and OPENAI_API_KEY are all that changes between the hosted API and this platform.
import fs from 'node:fs';
import OpenAI from 'openai';

const openai = new OpenAI();

async function main(path: string): Promise<void> {
  const file = await openai.files.create({ file: fs.createReadStream(path), purpose: 'fine-tune' });
  let job = await openai.fineTuning.jobs.create({
    training_file: file.id,
    model: 'gpt-4o-mini-2024-07-18',
  });
  const pending = ['validating_files', 'queued', 'running'];
  while (pending.includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    job = await openai.fineTuning.jobs.retrieve(job.id);
  }
  if (!job.fine_tuned_model) throw new Error(`${job.status}: ${job.error?.message}`);

  const messages: string[] = [];
  for await (const event of openai.fineTuning.jobs.listEvents(job.id)) messages.push(event.message);

  const completion = await openai.chat.completions.create({
    model: job.fine_tuned_model,
    messages: [
      {
        role: 'system',
        content:
          "If the context doesn't contain the answer, say so. Always cite which document you're referencing.",
      },
      { role: 'user', content: 'Context: [handbook.md] The office opens at 8.\n\nWhen does the office open?' },
    ],
    temperature: 0,
  });
  console.log(
    JSON.stringify({
      model: job.fine_tuned_model,
      status: job.status,
      events: messages.length,
      last: messages[0],
      answer: completion.choices[0].message.content,
    }),
  );
}

await main(process.argv[2]);
