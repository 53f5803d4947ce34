package template

import (
	"encoding/binary"
	"math/bits"
)

// uniqueString is 13 characters of base32 for a 64-bit hash, five bits each and the last four at the end.
func uniqueString(text string) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	hash := murmur64([]byte(text))
	var out [13]byte
	for i := range out {
		out[i] = alphabet[hash>>59]
		hash <<= 5
	}
	return string(out[:])
}

// murmur64 is the 64-bit member of the MurmurHash3 family that ARM uses: two interleaved 32-bit lanes, seed 0.
// Its results are checked against values that ARM's own engine gave.
func murmur64(data []byte) uint64 {
	const c1, c2 = 0x239b961b, 0xab0e9789
	var h1, h2 uint32
	n := uint32(len(data))
	for ; len(data) >= 8; data = data[8:] {
		h1 ^= lane(binary.LittleEndian.Uint32(data), c1, 15, c2)
		h1 = (bits.RotateLeft32(h1, 19)+h2)*5 + 0x561ccd1b
		h2 ^= lane(binary.LittleEndian.Uint32(data[4:]), c2, 17, c1)
		h2 = (bits.RotateLeft32(h2, 13)+h1)*5 + 0x0bcaa747
	}
	var tail [8]byte
	copy(tail[:], data)
	h1 ^= lane(binary.LittleEndian.Uint32(tail[:]), c1, 15, c2)
	h2 ^= lane(binary.LittleEndian.Uint32(tail[4:]), c2, 17, c1)
	h1 ^= n
	h2 ^= n
	h1 += h2
	h2 += h1
	h1, h2 = mix(h1), mix(h2)
	h1 += h2
	h2 += h1
	return uint64(h2)<<32 | uint64(h1)
}

func lane(k, before uint32, rotate int, after uint32) uint32 {
	return bits.RotateLeft32(k*before, rotate) * after
}

func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
