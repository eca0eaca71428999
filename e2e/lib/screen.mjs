/**
 * In the page: a browser without a screen has none to share, so this one paints a picture 320 pixels wide. What is
 * shared is `window.shared`.
 */
export function screenOfCanvas() {
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const context = canvas.getContext('2d');
    let frame = 0;
    const paint = () => {
      context.fillStyle = `hsl(${frame++ % 360} 60% 50%)`;
      context.fillRect(0, 0, 320, 180);
      requestAnimationFrame(paint);
    };
    paint();
    window.shared = canvas.captureStream(10);
    return window.shared;
  };
}
