/** In the page: a side that negotiates by `negotiate` of the SDK, and by nothing else of it. */
export function installNegotiate() {
  /** As the sample's side says it, so that the test can carry the messages of both. */
  const packed = (message) => {
    if (message.type === 'offer' || message.type === 'answer') return { description: message };
    return message.type === 'ice-candidate' ? { candidate: message.candidate } : { word: message };
  };
  const unpacked = ({ description, word, candidate }) => description ?? word ?? { type: 'ice-candidate', candidate };

  window.startNegotiate = async (polite) => {
    const { negotiate } = await import('/sdk.js');
    const side = window.makeSide(new RTCPeerConnection());
    const negotiation = negotiate(side.pc, {
      polite,
      send: (message) => side.send(packed(message)),
      onError: side.complain,
      onBroken: (error) => {
        side.broken = true;
        side.complain(error);
      },
    });
    side.receive = (message) => negotiation.receive(unpacked(message));
    side.restart = () => negotiation.restart();
  };
}
