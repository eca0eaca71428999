/**
 * An application whose every prop a test may change: `window.show(props)` renders it, `window.hide()` unmounts it. What it sees is in
 * `window.seen`.
 */
import { openWebSocket } from 'aldis-client';
import { usePeer, usePeers, useChannel, useRoom, useRoomEvent } from 'aldis-client-react';
import { StrictMode, memo } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';

export function App({ url, options, mark }) {
  const { room, status, error, snapshot, rejoin } = useRoom(url, options);
  useRoomEvent(room, 'message', ({ data }) => seen.messages.push(`${mark}: ${data}`));
  const chat = useChannel(room, 'chat', {
    open: ({ peer }) => seen.chat?.send(`hello from ${mark}`, { to: peer }),
    message: ({ data }) => seen.lines.push(data),
  });
  Object.assign(seen, { room, error, rejoin, chat });
  return (
    <main>
      <p id="status">{status}</p>
      <p id="me">{snapshot?.me.identity}</p>
      <Others room={room} />
    </main>
  );
}

const Others = memo(({ room }) => {
  const peers = usePeers(room);
  return peers.map(({ id }) => <Other key={id} room={room} id={id} />);
});

const Other = memo(({ room, id }) => {
  const { identity, attributes } = usePeer(room, id) ?? {};
  seen.renders.push(identity);
  return <li>{`${identity} ${attributes?.hand ?? ''}`}</li>;
});

const seen = { messages: [], lines: [], renders: [] };
globalThis.seen = seen;

if (globalThis.document) {
  const element = document.getElementById('root');
  const whole = (props) => (
    <StrictMode>
      <App {...props} />
    </StrictMode>
  );
  let root;
  window.show = (props) => {
    if (root) root.render(whole(props));
    else if (element.innerHTML) root = hydrateRoot(element, whole(props));
    else (root = createRoot(element)).render(whole(props));
  };
  // Holds back what the server says until a message of a peer has come, and then tells it all, one task after the other.
  window.openSocket = (url, protocols, events) => {
    let held = [];
    const onMessage = (data) => {
      if (!held) return events.onMessage(data);
      held.push(data);
      if (JSON.parse(data).type !== 'message') return;
      for (const one of held) setTimeout(() => events.onMessage(one));
      held = undefined;
    };
    return openWebSocket(url, protocols, { ...events, onMessage });
  };
  window.hide = () => {
    root.unmount();
    root = undefined;
  };
}
