/** The product's own statements, so that both sides ask the database the same. */
export { BY_ID, NEXT, PAGE } from '../src/ipam/allocations/allocations.repository.js';
export { BY_ADDRESS, COVERING, HOST_EXACT } from '../src/ipam/search/search.repository.js';
