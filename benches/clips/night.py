"""Makes night of raw I420 frames from stdin to stdout: dark, without colour, and with the noise that a camera's gain brings.

usage: night.py WIDTH HEIGHT [BRIGHTNESS [NOISE]]: brightness as a factor, noise as standard deviation in grey levels.
"""

import sys

import numpy

width, height = int(sys.argv[1]), int(sys.argv[2])
brightness = float(sys.argv[3]) if len(sys.argv) > 3 else 0.3
noise = float(sys.argv[4]) if len(sys.argv) > 4 else 6.0
luma, chroma = width * height, 2 * ((width + 1) // 2) * ((height + 1) // 2)
rng = numpy.random.default_rng(4)
grey = bytes([128]) * chroma
while len(frame := sys.stdin.buffer.read(luma + chroma)) == luma + chroma:
    levels = numpy.frombuffer(frame, numpy.uint8, luma).astype(numpy.float32)
    # The light of a dim scene arrives as single photons: noise grows with the root of what is there.
    dark = 16 + (levels - 16) * brightness
    spread = noise * numpy.sqrt(0.5 + 0.5 * dark / 64)
    dark += spread * rng.standard_normal(luma, numpy.float32)
    sys.stdout.buffer.write(numpy.clip(dark, 0, 255).astype(numpy.uint8).tobytes() + grey)
