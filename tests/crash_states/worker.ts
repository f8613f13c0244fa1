/** A worker of `crashSuite`. */
import { serve } from "../faults/in_worker.ts";
import { explorePart } from "./suite.ts";

serve(explorePart);
