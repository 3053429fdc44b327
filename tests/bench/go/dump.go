// Writes a heap dump of about 200 MB: records in a map, each with a name, a body and the one before it; and a list of them.
//
//	dump FILE
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

type record struct {
	name   string
	body   []byte
	before *record
}

const records = 500_000

var (
	index = map[string]*record{}
	head  *record
)

func main() {
	var last *record
	for i := range records {
		last = &record{fmt.Sprintf("record %d", i), make([]byte, 64+i%256), last}
		index[last.name] = last
	}
	head = last
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	debug.WriteHeapDump(file.Fd())
	if err := file.Close(); err != nil {
		panic(err)
	}
}
