"""Picture files for tests of the binary, written by the formats' own rules: PNG by zlib, JPEG of flat blocks,
records of CIFAR-10, NumPy's arrays and archives. Pixels are NumPy arrays of bytes, rows x columns x channels."""
import io
import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width, height, bits, color):
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))


def png_around(header, rows, *chunks):
    """A PNG of rows of bytes that are packed already; each row has another of PNG's five filters."""
    data, before = b"", bytes(len(rows[0]))
    for y, row in enumerate(rows):
        kind = y % 3  # none, left, above
        left = bytes(3) + row[:-3]
        less = (bytes(len(row)), left, before)[kind]
        data += bytes([kind]) + bytes((a - b) % 256 for a, b in zip(row, less))
        before = row
    return SIGNATURE + header + b"".join(chunks) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")


def png(pixels):
    """RGB of 8 bits."""
    height, width, _ = pixels.shape
    return png_around(png_header(width, height, 8, RGB), [row.tobytes() for row in pixels])


def unfiltered_png(pixels, bits, color, *chunks):
    """Any numbers of a pixel, of 8 or 16 bits, or 1, 2 and 4 in whole bytes a row."""
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in flat]
    elif bits == 8:
        rows = [row.astype("u1").tobytes() for row in flat]
    else:
        places = (flat[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row).tobytes() for row in places.reshape(height, -1)]
    data = b"".join(b"\0" + row for row in rows)
    return (SIGNATURE + png_header(width, height, bits, color) + b"".join(chunks)
            + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b""))


def png_pixels(data):
    """The pixels of an RGB PNG of 8 bits whose rows have the filters 0 to 2."""
    assert data.startswith(SIGNATURE)
    chunks, at = {}, len(SIGNATURE)
    while at < len(data):
        (size,) = struct.unpack(">I", data[at:at + 4])
        chunks.setdefault(data[at + 4:at + 8], b"")
        chunks[data[at + 4:at + 8]] += data[at + 8:at + 8 + size]
        at += size + 12
    width, height, bits, color = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (bits, color) == (8, RGB), (bits, color)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * 3)
    pixels, before = np.zeros((height, width, 3), np.uint8), np.zeros((width, 3), np.uint8)
    for y, row in enumerate(rows):
        part = row[1:].reshape(width, 3)
        if row[0] == 1:
            part = np.cumsum(part, axis=0, dtype=np.uint8)
        elif row[0] == 2:
            part = part + before
        else:
            assert row[0] == 0, row[0]
        pixels[y] = before = part
    return pixels


def jpeg(blocks, orientation=None, colors=1):
    """A picture of flat blocks of 8 x 8 pixels, whose greys `blocks` (rows x columns) are. With three colours
    the two of chroma are neutral, so that red, green and blue are that grey, bit for bit."""
    height, width = blocks.shape
    out = b"\xff\xd8"
    if orientation is not None:
        tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
        out += b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    out += b"\xff\xdb" + struct.pack(">HB", 67, 0) + b"\1" * 64  # every step of quantisation is 1
    parts = range(1, colors + 1)
    out += (b"\xff\xc0" + struct.pack(">HBHHB", 8 + 3 * colors, 8, 8 * height, 8 * width, colors)
            + b"".join(bytes([part, 0x11, 0]) for part in parts))
    # The category of a mean is its code of four bits; of all else there is but the end of the block, a bit.
    out += b"\xff\xc4" + struct.pack(">HB", 31, 0) + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12))
    out += b"\xff\xc4" + struct.pack(">HB", 20, 16) + bytes([1] + [0] * 15) + b"\0"
    out += (b"\xff\xda" + struct.pack(">HB", 6 + 2 * colors, colors)
            + b"".join(bytes([part, 0]) for part in parts) + b"\0\x3f\0")
    bits, before = "", 0
    for grey in blocks.ravel():
        mean = 8 * (int(grey) - 128)
        step, before = mean - before, mean
        category = abs(step).bit_length()
        value = step if step >= 0 else step + (1 << category) - 1
        bits += f"{category:04b}" + (f"{value:0{category}b}" if category else "") + "0"
        bits += "00000" * (colors - 1)
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    return out + scan.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def cifar_batch(pictures, labels=None):
    """Records of the label and three planes."""
    planes = pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)
    if labels is None:
        labels = np.arange(len(pictures)) % 10
    return np.concatenate([np.asarray(labels, np.uint8)[:, None], planes], axis=1).tobytes()


def cifar_pixels(batch):
    """The second reader: records as pictures of interleaved channels."""
    records = np.frombuffer(batch, np.uint8).reshape(-1, 3073)[:, 1:]
    return records.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def planes(pictures):
    return pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)


def npz(pictures, labels=None, save=np.savez, **more):
    """A batch as Chrabaszcz et al. have it, with the mean that it has besides."""
    file = io.BytesIO()
    data = planes(pictures) if pictures.ndim == 4 else pictures
    labels = np.arange(len(data)) % 1000 + 1 if labels is None else labels
    save(file, **{"data": data, "labels": labels, "mean": np.zeros(12288), **more})
    return file.getvalue()
