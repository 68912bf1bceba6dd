/**
 * Priorities in their order, for whoever compares them.
 * @type {Record<string, number>}
 */
export const RANK = { high: 3, medium: 2, low: 1, none: 0 };
