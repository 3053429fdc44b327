package main

import (
	"encoding/binary"
	"os"
	"time"
	"unsafe"
)

// Pointer-free objects and objects with pointers of any size, of the size's own class.
func makeBytes(bytes int, noscan bool) unsafe.Pointer {
	if noscan {
		return unsafe.Pointer(unsafe.SliceData(make([]byte, bytes)))
	}
	return unsafe.Pointer(unsafe.SliceData(make([]*byte, bytes/8)))
}

func replay(words []uint32) uint64 {
	const freed = 1 << 31
	table := make([]unsafe.Pointer, words[0])
	made := uint64(0)
	for row := range words[1] {
		id, size := words[2+2*row], words[3+2*row]
		slot := &table[id&^freed]
		if id&freed != 0 {
			*slot = nil
			continue
		}
		bytes := (int(size&^freed) + 7) &^ 7
		*slot = makeBytes(bytes, size&freed != 0)
		made += uint64(bytes)
	}
	return made
}

func recording(args []string) told {
	file, err := os.ReadFile(args[0])
	if err != nil {
		die(err.Error())
	}
	words := make([]uint32, len(file)/4)
	if _, err := binary.Decode(file, binary.LittleEndian, words); err != nil || len(words) < 2 || len(words) < int(2+2*words[1]) {
		die("the recording is truncated")
	}
	check, start := uint64(0), time.Now()
	for range number(args[1]) {
		check += replay(words)
	}
	return told{"check": check, "seconds": time.Since(start).Seconds()}
}
