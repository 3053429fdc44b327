// The functions of the chapter's escapeAnalysisDetailed, 11.1.2: what `run chapter` asks gcsim.escape about.
package main

import "fmt"

// 栈分配示例
func stackAllocation() int {
	var x int = 42
	var arr [10]int
	var smallSlice = make([]int, 5)
	sum := x + arr[0] + smallSlice[0]
	return sum
}

// 堆分配示例
func heapAllocation() *int {
	var x int = 42
	return &x
}

func escapeAnalysisDetailed() {
	local := make([]int, 10)
	local[0] = 1
	fmt.Printf("局部切片长度: %d\n", len(local))

	ptr := heapAllocation()
	fmt.Printf("堆分配值: %d\n", *ptr)

	var i interface{} = 42
	fmt.Printf("接口值: %v\n", i)

	closure := func() {
		fmt.Printf("闭包访问: %d\n", local[0])
	}
	closure()

	bigArray := make([]int, 100000)
	fmt.Printf("大数组长度: %d\n", len(bigArray))

	indirect := &local[0]
	*indirect = 100

	inlineResult := inlineFunction(42)
	fmt.Printf("内联结果: %d\n", inlineResult)
}

func inlineFunction(x int) int {
	return x * 2
}

func main() {
	fmt.Println(stackAllocation())
	escapeAnalysisDetailed()
}
