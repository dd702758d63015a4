/** The frame on the endless canvas: where it may be, and how large. */

import { snap } from "./geometry.js";
import { current, grid, modelFor, session } from "./session.js";

/** A frame half over a side of the step. @param {-1 | 0 | 1} across @param {-1 | 0 | 1} down */
export function frameAt(across, down) {
  const { width, height } = session.frame.value;
  const step = current() ?? { width: 0, height: 0 };
  const x = ((1 + across) * step.width - width) / 2;
  const y = ((1 + down) * step.height - height) / 2;
  return { x: snap(x, grid()), y: snap(y, grid()), width, height };
}

/** A frame of so many lines of the grid, around where it was. @param {number} lines */
export function sizeFrame(lines) {
  const { x, y, width, height } = session.frame.value;
  const [across, down] = modelFor("extend")?.capabilities?.native_size ?? [1, 1];
  const step = grid();
  const high = Math.max(2, Math.round(lines)) * step;
  const wide = Math.max(2 * step, snap((high * across) / down, step));
  session.frame.value = {
    x: snap(x + (width - wide) / 2, step), y: snap(y + (height - high) / 2, step), width: wide, height: high,
  };
}

/** As high as the picture or nearly, in the shape the model draws, half over the right side. */
export function firstFrame() {
  const { width, height } = current() ?? { width: 0, height: 0 };
  sizeFrame(Math.min(width, height) / grid());
  session.frame.value = frameAt(1, 0);
}
