/**
 * In the page: one side of a connection without a room, for a test that is the wire between two. What it would send is kept in `outbox`,
 * what it would write to the console in `errors`. How it negotiates is `w3c-sample.mjs`'s or `negotiate-side.mjs`'s affair.
 */
export function installSide() {
  window.makeSide = (pc) => {
    const side = {
      pc,
      outbox: [],
      errors: [],
      channels: [],
      heard: new Set(),
      grown: new Set(),
      broken: false,
      send: (message) => side.outbox.push(JSON.parse(JSON.stringify(message))),
      complain: (error) => side.errors.push(`${error.name}: ${error.message}`),
      addChannel: () => watch(pc.createDataChannel('data')),
      addMedia: (kind) => {
        const stream = window.fakeStream(kind);
        pc.addTrack(stream.getTracks()[0], stream);
      },
      /** Asks for a fresh start of ICE as its documentation says. */
      restart: () => pc.restartIce(),
    };
    const watch = (channel) => {
      side.channels.push(channel);
      channel.onmessage = ({ data }) => side.heard.add(data);
    };
    pc.ondatachannel = ({ channel }) => watch(channel);
    window.side = side;
    return side;
  };
}
