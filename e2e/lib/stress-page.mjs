/** In the page of a stress: what is done to a call, and whether everything that should arrive does. To be run after `join`. */
export function installStress() {
  const { room, faults, done } = window;
  const streams = { audio: [], video: [] };
  const published = new Set();
  const channels = new Map();
  const heard = new Set();
  const counts = {};
  const peer = () => [...room.peers.values()][0];
  room.on('negotiation', ({ step }) => (counts[step] = (counts[step] ?? 0) + 1));
  room.on('error', ({ error }) => (counts[error.code] = (counts[error.code] ?? 0) + 1));

  const operations = {
    async publication({ kind, at }) {
      const stream = (streams[kind][at] ??= window.fakeStream(kind));
      if (published.delete(stream)) return room.unpublish(stream);
      published.add(stream);
      await room.publish(stream);
    },
    /** Stops receiving what a section brings, or begins to: what it sends is the SDK's affair. */
    direction({ at }) {
      const sections = peer()?.connection?.getTransceivers() ?? [];
      const section = sections[at % sections.length];
      const turned = { sendrecv: 'sendonly', sendonly: 'sendrecv', recvonly: 'inactive', inactive: 'recvonly' };
      if (section?.direction in turned) section.direction = turned[section.direction];
    },
    channel({ label }) {
      if (channels.has(label)) return;
      const channel = room.channel(label);
      channels.set(label, channel);
      channel.on('message', ({ data, from }) => {
        if (data.startsWith('ping')) channel.send(data.replace('ping', 'pong'), { to: from });
        else heard.add(`${label} ${data}`);
      });
    },
    restart() {
      peer()?.connection?.restartIce();
    },
  };

  /** The browser's own channels that the other side has opened, to tell what the browser has lost from what the SDK has. */
  const incomingChannels = [];
  const watched = new WeakSet();
  const watch = () => {
    const { connection } = peer() ?? {};
    if (!connection || watched.has(connection)) return;
    watched.add(connection);
    connection.addEventListener('datachannel', ({ channel }) => incomingChannels.push(channel));
  };
  watch();

  const offersMade = () => counts['offer-sent'] ?? 0;
  let mark = 0;

  window.stress = {
    async perform(operation) {
      // A channel needs no offer, and who is polite asks for a fresh start of ICE: none is waited for.
      const isOffered = operation.name !== 'channel' && !(operation.name === 'restart' && peer()?.polite);
      mark = isOffered ? offersMade() : -1;
      watch();
      await operations[operation.name](operation);
    },
    /** Whether the last operation has brought about an offer. */
    hasOffered: () => offersMade() > mark,
    isSettled: () => {
      const { signalingState, connectionState } = peer()?.connection ?? {};
      return signalingState === 'stable' && connectionState === 'connected' && peer().state === 'connected';
    },
    /** Receives everything again that `direction` has stopped. */
    receiveAll() {
      for (const section of peer()?.connection?.getTransceivers() ?? []) {
        const turned = { sendonly: 'sendrecv', inactive: 'recvonly' }[section.direction];
        if (turned) section.direction = turned;
      }
    },
    openChannels(labels) {
      for (const label of labels) operations.channel({ label });
    },
    channelLabels: () => [...channels.keys()],
    publishedIds: () => [...published].map(({ id }) => id),
    /** Whether each channel has carried a word to the other side and one back. */
    channelsCarry(word) {
      return [...channels].every(([label, channel]) => {
        if (heard.has(`${label} pong ${word}`)) return true;
        if (channel.peers.length === 1) channel.send(`ping ${word}`);
        return false;
      });
    },
    /** Whether exactly these streams come in, and more of each since the last look. */
    async streamsGrow(ids) {
      const { connection, streams } = peer() ?? {};
      if (!connection || streams.length !== ids.length) return false;
      for (const id of ids) {
        const tracks = streams.find((stream) => stream.id === id)?.getTracks() ?? [];
        const receiver = connection.getReceivers().find(({ track }) => track === tracks[0]);
        if (tracks.length !== 1 || !receiver || !(window.stress.grown.has(receiver) || (await window.grows(receiver)))) return false;
        window.stress.grown.add(receiver);
      }
      return true;
    },
    grown: new Set(),
    counts,
    async report() {
      const { connection, state, presence, streams = [], counts: stats } = peer() ?? {};
      const sections = connection?.getTransceivers().map((section) => `${section.mid}:${section.receiver.track.kind}:${section.direction}/${section.currentDirection}`);
      const { signalingState, connectionState, iceConnectionState } = connection ?? {};
      const steps = window.log.slice(-40).map(({ name, step, state, error }) => step ?? (state ? `${name} ${state}` : (error?.message ?? name)));
      const incoming = streams.map(({ id }) => id);
      const look = async () => [...((await connection?.getStats())?.values() ?? [])];
      const before = await look();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const statistics = await look();
      const counted = (type, ...names) => statistics.filter((report) => report.type === type).map((report) => {
        const was = before.find(({ id }) => id === report.id);
        return names.map((name) => (typeof report[name] === 'number' ? `${report[name]} (+${report[name] - (was?.[name] ?? 0)})` : report[name])).join(' ');
      });
      const arrives = counted('inbound-rtp', 'mid', 'kind', 'ssrc', 'packetsReceived', 'framesDecoded');
      const leaves = counted('outbound-rtp', 'mid', 'kind', 'ssrc', 'active', 'packetsSent', 'framesEncoded');
      const reported = counted('remote-inbound-rtp', 'kind', 'ssrc', 'timestamp');
      const transports = counted('transport', 'iceState', 'bytesReceived', 'bytesSent');
      const grown = (connection?.getReceivers() ?? []).map((receiver) => window.stress.grown.has(receiver));
      const channelsOpen = [...channels].map(([label, { peers }]) => `${label}:${peers.length}`);
      const channelsCame = incomingChannels.map(({ label, id, readyState }) => `${label}:${id}:${readyState}`);
      const silent = [...channels.keys()].filter((label) => ![...heard].some((word) => word.startsWith(`${label} pong`)));
      const connections = window.connections.map(({ connectionState }) => connectionState);
      return { silent, connections, status: room.status, state, presence, signalingState, connectionState, iceConnectionState, stats, counts, done, faults, sections, published: [...published].map(({ id }) => id), incoming, grown, arrives, leaves, reported, transports, channelsOpen, channelsCame, steps };
    },
  };
}
