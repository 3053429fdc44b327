// Package hashing: hash.Hash behind interfaces, binary encoding, arrays as results.
package hashing

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/fnv"
	"io"
	"math/bits"
)

type Digest [sha256.Size]byte

func sum(parts ...[]byte) (d Digest) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	copy(d[:], h.Sum(nil))
	return
}

func sumNoAlloc(p []byte) Digest { return sha256.Sum256(p) }

func sumOf(r io.Reader, h hash.Hash) ([]byte, error) {
	if _, err := io.Copy(h, r); err != nil {
		return nil, err
	}
	var scratch [64]byte
	return h.Sum(scratch[:0]), nil
}

func bucket(key string, n uint32) uint32 {
	h := fnv.New32a()
	io.WriteString(h, key)
	return h.Sum32() % n
}

func encode(ids []uint64) []byte {
	out := make([]byte, 0, len(ids)*8)
	for _, id := range ids {
		out = binary.LittleEndian.AppendUint64(out, id)
	}
	return out
}

func encodeFixed(id uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], id)
	return b[:]
}

func varints(n uint64) int {
	b := make([]byte, binary.MaxVarintLen64)
	return binary.PutUvarint(b, n)
}

func header(w io.Writer, kind uint16, length uint32) error {
	h := struct {
		Kind   uint16
		_      uint16
		Length uint32
	}{Kind: kind, Length: length}
	return binary.Write(w, binary.LittleEndian, &h)
}

type bloom struct {
	bits []uint64
	hash func(string) uint64
}

func newBloom(n int) *bloom {
	return &bloom{
		bits: make([]uint64, (n+63)/64),
		hash: func(s string) uint64 {
			h := fnv.New64a()
			h.Write([]byte(s))
			return h.Sum64()
		},
	}
}

func (b *bloom) add(s string) {
	h := b.hash(s) % uint64(len(b.bits)*64)
	b.bits[h/64] |= 1 << (h % 64)
}

func (b *bloom) ones() (n int) {
	for _, w := range b.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

type merkle struct {
	left, right *merkle
	sum         Digest
}

func build(leaves []Digest) *merkle {
	switch len(leaves) {
	case 0:
		return nil
	case 1:
		return &merkle{sum: leaves[0]}
	}
	l, r := build(leaves[:len(leaves)/2]), build(leaves[len(leaves)/2:])
	return &merkle{l, r, sum(l.sum[:], r.sum[:])}
}
