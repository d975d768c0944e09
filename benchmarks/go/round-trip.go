// Two goroutines hand a turn back and forth through unbuffered channels.
// Prints nanoseconds and the last turn.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	ping, pong := make(chan int), make(chan int)
	go func() {
		for turn := range ping {
			pong <- turn
		}
	}()
	last := 0
	begin := time.Now()
	for turn := 1; turn <= n; turn++ {
		ping <- turn
		last = <-pong
	}
	fmt.Println(time.Since(begin).Nanoseconds(), last)
}
