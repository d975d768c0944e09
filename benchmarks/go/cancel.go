// Go's contexts: looking at one, making and cancelling one, and cancelling a tree of them.
// Arguments: iterations, work. Prints nanoseconds and how many were seen as they had to be.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

var works = map[string]func(n int) int{
	"look": func(n int) int {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		seen := 0
		for i := 0; i < n; i++ {
			if ctx.Err() == nil {
				seen++
			}
		}
		return seen
	},
	"cancel": func(n int) int {
		seen := 0
		for i := 0; i < n; i++ {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if ctx.Err() != nil {
				seen++
			}
		}
		return seen
	},
	"child": func(n int) int {
		parent, end := context.WithCancel(context.Background())
		defer end()
		seen := 0
		for i := 0; i < n; i++ {
			ctx, cancel := context.WithCancel(parent)
			if ctx.Err() == nil {
				seen++
			}
			cancel()
		}
		return seen
	},
	"tree": func(n int) int {
		seen := 0
		children := make([]context.Context, 1000)
		ends := make([]context.CancelFunc, len(children))
		for left := n; left > 0; left -= len(children) {
			root, end := context.WithCancel(context.Background())
			for i := range children {
				children[i], ends[i] = context.WithCancel(root)
			}
			end()
			for i := 0; i < len(children) && i < left; i++ {
				if children[i].Err() != nil {
					seen++
				}
				ends[i]()
			}
		}
		return seen
	},
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	begin := time.Now()
	result := works[os.Args[2]](n)
	fmt.Println(time.Since(begin).Nanoseconds(), result)
}
