/** In the page: what the camera at the back sees is what the test shows it. */
export function cameraOfCanvas() {
  const devices = navigator.mediaDevices;
  if (devices === undefined) return; // about:blank
  const real = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    if (constraints.video?.facingMode !== 'environment') return real(constraints);
    const { size, pixels } = window.seen;
    const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size });
    const pen = canvas.getContext('2d');
    const image = pen.createImageData(size, size);
    [...atob(pixels)].forEach((byte, at) => image.data.set([byte.charCodeAt(0), byte.charCodeAt(0), byte.charCodeAt(0), 255], at * 4));
    const paint = () => pen.putImageData(image, 0, 0);
    const painting = setInterval(paint, 100);
    paint();
    const stream = canvas.captureStream(10);
    window.filming = stream;
    const [track] = stream.getTracks();
    const stop = track.stop.bind(track);
    track.stop = () => {
      clearInterval(painting);
      stop();
    };
    return stream;
  };
}

/** Draws the picture that one page shows onto a canvas, and holds its pixels before the camera of another. */
export async function hold(from, selector, before) {
  const seen = await from.page.evaluate(async (selector) => {
    const picture = document.querySelector(selector);
    await picture.decode();
    const size = 480;
    const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size });
    const pen = canvas.getContext('2d');
    pen.drawImage(picture, 0, 0, size, size);
    const { data } = pen.getImageData(0, 0, size, size);
    let pixels = '';
    for (let at = 0; at < data.length; at += 4) pixels += String.fromCharCode(data[at]);
    return { size, pixels: btoa(pixels) };
  }, selector);
  await before.page.evaluate((seen) => void (window.seen = seen), seen);
}
