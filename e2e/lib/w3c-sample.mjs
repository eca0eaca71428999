/**
 * In the page: "perfect negotiation" as the W3C prints it (WebRTC 1.0, section 10.7), three flags and all, to see what today's browsers
 * make of it. What it would send is kept in `outbox`, what it would write to the console in `errors`; the test is the wire between two.
 */
export function installSample() {
  window.startSample = (polite) => {
    const pc = new RTCPeerConnection();
    const side = { pc, outbox: [], errors: [], channels: [], heard: new Set(), grown: new Set(), receive, addChannel, addMedia };
    const send = (message) => side.outbox.push(JSON.parse(JSON.stringify(message)));
    const complain = (error) => side.errors.push(`${error.name}: ${error.message}`);

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

    async function receive({ description, candidate }) {
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
    }

    // What follows is the application around it.
    function watch(channel) {
      side.channels.push(channel);
      channel.onmessage = ({ data }) => side.heard.add(data);
    }
    function addChannel() {
      watch(pc.createDataChannel('data'));
    }
    function addMedia(kind) {
      const stream = window.fakeStream(kind);
      pc.addTrack(stream.getTracks()[0], stream);
    }
    pc.ondatachannel = ({ channel }) => watch(channel);
    window.side = side;
  };
}
