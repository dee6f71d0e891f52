// A button for the camera: the first press shows what it sees, the next takes it.
export function camera(button, preview, said, taken) {
  button.hidden = !navigator.mediaDevices?.getUserMedia;
  button.addEventListener("click", async () => {
    try {
      if (preview.hidden) {
        preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        preview.hidden = false;
        await preview.play();
        button.textContent = "Now";
        return;
      }
      const canvas = Object.assign(document.createElement("canvas"), { width: preview.videoWidth, height: preview.videoHeight });
      canvas.getContext("2d").drawImage(preview, 0, 0);
      preview.srcObject.getTracks().forEach((track) => track.stop());
      canvas.toBlob((blob) => taken(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
    } catch (error) {
      said.textContent = `The camera does not work: ${error.message}`;
    }
  });
}
