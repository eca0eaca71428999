/** `RTCPeerConnection` under Node: libdatachannel, through the polyfill of `node-datachannel`, with what the SDK needs beyond it. */
import nodeDataChannel from 'node-datachannel';
import { RTCPeerConnection } from 'node-datachannel/polyfill';

/**
 * What browsers have and the polyfill lacks:
 *
 * - `setLocalDescription()` without an argument, and for anything but an offer;
 * - `null` where there is no description;
 * - `negotiationneeded`, here for the one thing that can be negotiated, data channels;
 * - the `usernameFragment` of candidates;
 * - sections of audio and video: asking for one changes nothing, and what is offered is data alone.
 *
 * And one thing that libdatachannel lacks: the answer of the other side counts from the moment ICE has it, but its fingerprint only a
 * little later. A handshake that is over in between fails with `certificate verify failed`, on loopback one in ten. So nobody learns
 * where an offerer is before it has applied the answer.
 *
 * Fresh starts of ICE are beyond libdatachannel: `restartIce` throws, as in the polyfill.
 */
export class NativeConnection extends RTCPeerConnection {
  #native;
  #wanted = false;
  #held = [];

  constructor(configuration) {
    const native = new nodeDataChannel.PeerConnection('peer', {
      iceServers: [],
      disableAutoNegotiation: true, // a description is made when it is asked for
      bindAddress: '127.0.0.1', // nothing leaves this machine
    });
    super({ ...configuration, peerConnection: native });
    this.#native = native;
  }

  createDataChannel(label, options) {
    const channel = super.createDataChannel(label, options);
    // One section is for all channels; an offer of the other side may have brought it before this is told.
    if (!this.#wanted) setImmediate(() => this.remoteDescription === null && this.dispatchEvent(new Event('negotiationneeded')));
    this.#wanted = true;
    return channel;
  }

  async setLocalDescription(description) {
    const type = description?.type ?? (this.signalingState === 'have-remote-offer' ? 'answer' : 'offer');
    this.#native.setLocalDescription(type);
  }

  async setRemoteDescription(description) {
    await super.setRemoteDescription(description);
    if (this.signalingState === 'stable') for (const event of this.#held.splice(0)) super.dispatchEvent(event);
  }

  get localDescription() {
    return withoutCandidates(this.#native.localDescription());
  }

  get remoteDescription() {
    return this.#native.remoteDescription();
  }

  get currentRemoteDescription() {
    return this.signalingState === 'have-remote-offer' ? null : this.remoteDescription;
  }

  get pendingRemoteDescription() {
    return this.signalingState === 'have-remote-offer' ? this.remoteDescription : null;
  }

  addTransceiver() {}

  dispatchEvent(event) {
    if (event.type !== 'icecandidate') return super.dispatchEvent(event);
    name(event.candidate, this.localDescription.sdp);
    if (this.signalingState !== 'have-local-offer') return super.dispatchEvent(event);
    this.#held.push(event);
    return true;
  }
}

/** They come one by one, as a browser has them. */
function withoutCandidates(description) {
  return description && { ...description, sdp: description.sdp.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, '') };
}

function name(candidate, sdp) {
  const usernameFragment = sdp.match(/^a=ice-ufrag:(\S+)/m)[1];
  const bare = candidate.toJSON();
  candidate.toJSON = () => ({ ...bare, usernameFragment });
}
