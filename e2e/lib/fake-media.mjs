/** In the page: tracks that cost next to nothing, and as many as a test wants. */
export function installFakeMedia() {
  let audio;
  const makers = {
    audio() {
      audio ??= new AudioContext();
      const tone = audio.createOscillator();
      const out = audio.createMediaStreamDestination();
      tone.connect(out);
      tone.start();
      return out.stream;
    },
    video() {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
      const pen = canvas.getContext('2d');
      let frame = 0;
      setInterval(() => {
        pen.fillStyle = `hsl(${(frame += 20) % 360} 80% 50%)`;
        pen.fillRect(0, 0, 64, 48);
      }, 100);
      return canvas.captureStream();
    },
  };
  /** A stream with one track of the kind, which makes a tone or changes its colour for ever. */
  window.fakeStream = (kind) => makers[kind]();

  const counts = new WeakMap();
  /** What has come for a track, as far as it is more than at the last look. */
  window.grows = async (receiver) => {
    const report = [...(await receiver.getStats()).values()].find(({ type }) => type === 'inbound-rtp');
    const count = (receiver.track.kind === 'audio' ? report?.bytesReceived : report?.framesDecoded) ?? 0;
    const before = counts.get(receiver) ?? count;
    counts.set(receiver, count);
    return count > before;
  };
}
