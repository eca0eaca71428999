/**
 * In the page: "perfect negotiation" as the W3C prints it (WebRTC 1.0, section 10.7), three flags and all, to see what today's browsers
 * make of it.
 */
export function installSample() {
  window.startSample = (polite) => {
    const pc = new RTCPeerConnection();
    const side = window.makeSide(pc);
    const { send, complain } = side;

    let makingOffer = false;
    let ignoreOffer = false;
    let isSettingRemoteAnswerPending = false;

    pc.onicecandidate = ({ candidate }) => send({ candidate });

    pc.onnegotiationneeded = async () => {
      try {
        makingOffer = true;
        await pc.setLocalDescription();
        send({ description: pc.localDescription });
      } catch (error) {
        complain(error);
      } finally {
        makingOffer = false;
      }
    };

    side.receive = async ({ description, candidate }) => {
      try {
        if (description) {
          const readyForOffer = !makingOffer && (pc.signalingState === 'stable' || isSettingRemoteAnswerPending);
          const offerCollision = description.type === 'offer' && !readyForOffer;
          ignoreOffer = !polite && offerCollision;
          if (ignoreOffer) return;
          isSettingRemoteAnswerPending = description.type === 'answer';
          await pc.setRemoteDescription(description);
          isSettingRemoteAnswerPending = false;
          if (description.type === 'offer') {
            await pc.setLocalDescription();
            send({ description: pc.localDescription });
          }
        } else if (candidate) {
          try {
            await pc.addIceCandidate(candidate);
          } catch (error) {
            if (!ignoreOffer) throw error;
          }
        }
      } catch (error) {
        complain(error);
      }
    };
  };
}
