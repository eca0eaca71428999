import WebSocket from 'ws';

/** The SDK's way to the server under Node, which has no `WebSocket` before version 22. */
export function openSocket(url, protocols, events, Socket = WebSocket) {
  const socket = new Socket(url, protocols);
  socket.on('open', () => events.onOpen());
  socket.on('message', (data) => events.onMessage(String(data)));
  socket.on('error', () => {}); // its close follows
  socket.on('close', (code) => events.onClose(code));
  return {
    send: (text) => socket.send(text),
    close: (code) => {
      socket.removeAllListeners().on('error', () => {});
      socket.close(code);
    },
  };
}
