"""Pixelation and JPEG of one small image by Pillow.

python pillow.py > pillow.txt
"""

import io

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
y, x = np.mgrid[0:28, 0:28]
grey = np.clip(127 + 90 * np.sin(x / 4.0) * np.cos(y / 6.0) + rng.normal(0, 10, (28, 28)), 0, 255).astype(np.uint8)


def show(name, pixels):
    print(name, ",".join(str(int(v)) for v in np.asarray(pixels).reshape(-1)))


show("input", grey)
image = Image.fromarray(grey)
for severity, share in enumerate([0.95, 0.9, 0.85, 0.75, 0.65], 1):
    small = image.resize((int(28 * share), int(28 * share)), Image.BOX)
    show(f"pixelate{severity}", small.resize((28, 28), Image.BOX))
for severity, quality in enumerate([80, 65, 58, 50, 40], 1):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    show(f"jpeg{severity}", Image.open(file))
