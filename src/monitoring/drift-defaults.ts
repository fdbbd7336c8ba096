// From which score on, and at which error rate, rows have drifted unless somebody says otherwise.

export const DRIFT_DEFAULTS = { threshold: 0.1, alpha: 0.01 } as const;
