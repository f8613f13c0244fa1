/** A worker of `campaignSuite`. */
import { killSome } from "./campaign_suite.ts";
import { serve } from "./in_worker.ts";

serve(killSome);
