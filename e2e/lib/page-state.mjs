/** How a page is, in words: for the message of a wait that failed, so that it tells its cause. */
import { within } from './within.mjs';

/** How long a page may take to say it, in milliseconds: it may be the page that hangs. */
const SAYING_MS = 5_000;

/** How many of its last events are told. */
const EVENTS = 20;

/**
 * Its connections with their ways, and its last events; and what the test itself counts there, where it has put a function `window.account`.
 * Names no address and no credential.
 */
export async function pageState(tab) {
  try {
    const state = await within(SAYING_MS, 'its state', tab.page.evaluate(look, EVENTS));
    return JSON.stringify(state);
  } catch (error) {
    return `unknown, ${error.message.split('\n')[0]}`;
  }
}

async function look(events) {
  const fragmentIn = (description) => description?.sdp.match(/a=ice-ufrag:(\S+)/)?.[1];
  const waysOf = (report, fragment) => {
    const ends = (pair) => [pair.localCandidateId, pair.remoteCandidateId].map((id) => report.get(id));
    const words = (end) => `${end?.candidateType} ${end?.usernameFragment}`;
    const inUse = [...report.values()].flatMap(({ type, selectedCandidatePairId }) => (type === 'transport' ? selectedCandidatePairId : []));
    return [...report.values()]
      .filter(({ type }) => type === 'candidate-pair')
      // Those that came to nothing are many, and of interest only if they are of the latest start of ICE.
      .filter((pair) => inUse.includes(pair.id) || pair.state === 'succeeded' || ends(pair)[0]?.usernameFragment === fragment)
      .map((pair) => `${ends(pair).map(words).join(' to ')}, ${pair.state}${inUse.includes(pair.id) ? ', in use' : ''}`);
  };
  const stateOf = async (connection) => {
    const { connectionState, iceConnectionState, iceGatheringState, signalingState } = connection;
    const fragments = [connection.currentLocalDescription, connection.currentRemoteDescription].map(fragmentIn);
    const ways = await connection.getStats().then((report) => waysOf(report, fragments[0]), (error) => String(error));
    return { connectionState, iceConnectionState, iceGatheringState, signalingState, fragments, ways };
  };
  const wordsOf = ({ name, state, step, status, error }) => [name, state, step, status, error?.code].filter((word) => typeof word === 'string').join(' ');
  return {
    connections: await Promise.all((window.connections ?? []).filter(({ signalingState }) => signalingState !== 'closed').map(stateOf)),
    log: (window.log ?? []).slice(-events).map(wordsOf),
    ...window.account?.(),
  };
}
