"""S-TRM: a Stateful Tiny Recursive Model that reads fingerspelling from 21 hand landmarks."""

import os

# A photo of more than 134 megapixels is not opened: a small file may claim any size. OpenCV reads this once,
# when it is imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

__version__ = "0.1.0"
