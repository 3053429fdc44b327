// From the chapter's memoryLayoutAnalysis: the address of a constant.
package main

import "fmt"

const constValue = "Hello, World!"

func main() { fmt.Printf("%p\n", &constValue) }
