/** The features of the fraud models, in their order: V1 to V28, Amount. */
export const FEATURES: readonly string[] = [
  ...Array.from({ length: 28 }, (_, i) => `V${i + 1}`),
  "Amount",
];
