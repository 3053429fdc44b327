// The program of the second article, as it stands there: it counts, and ends main with Goexit.
package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

type MyStruct struct {
	count int32
}

func (m *MyStruct) Increment() {
	atomic.AddInt32(&m.count, 1)
}

func (m *MyStruct) Decrement() {
	atomic.AddInt32(&m.count, -1)
}

func main() {
	m := &MyStruct{}

	// 创建多个goroutine来模拟并发访问
	for i := 0; i < runtime.NumCPU(); i++ {
		go func() {
			for i := 0; i < 10000; i++ {
				m.Increment()
			}
		}()
	}

	// 等待所有goroutine完成
	runtime.Goexit()

	// 输出最终的计数结果
	fmt.Println(m.count)
}
