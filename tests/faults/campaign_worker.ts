/** A worker of `campaignSuite`. */
import { type CampaignPart, killSome } from "./campaign_suite.ts";

const self = globalThis as unknown as {
  onmessage: (event: MessageEvent<CampaignPart>) => void;
  postMessage(message: unknown): void;
};
self.onmessage = async ({ data }) => {
  await killSome(data, (told) => self.postMessage(told));
  self.postMessage(null); // the end
};
