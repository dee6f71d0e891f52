// The microphone, and what it recorded as a WAV: the browser's own formats are not those that every library reads.
export async function recorder() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const made = new MediaRecorder(stream);
  const pieces = [];
  made.addEventListener("dataavailable", (event) => pieces.push(event.data));
  made.start();
  return {
    stop: () => new Promise((resolve) => {
      made.addEventListener("stop", () => {
        stream.getTracks().forEach((track) => track.stop());
        resolve(new Blob(pieces, { type: made.mimeType }));
      });
      made.stop();
    }),
  };
}

export async function wave(blob) {
  const context = new AudioContext();
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  await context.close();
  const samples = sound.getChannelData(0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((letter, index) => bytes.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF"); bytes.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
  bytes.setUint32(24, sound.sampleRate, true); bytes.setUint32(28, 2 * sound.sampleRate, true);
  bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true); text(36, "data"); bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, index) => bytes.setInt16(44 + 2 * index, Math.max(-1, Math.min(1, value)) * 32767, true));
  return bytes.buffer;
}
