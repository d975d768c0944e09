// One goroutine sends numbers through a channel with 1024 slots, another adds them up.
// Prints nanoseconds and the sum modulo 2^31.
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
	numbers := make(chan int, 1024)
	begin := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	sum := 0
	for i := range numbers {
		sum = (sum + i) & 0x7fffffff
	}
	fmt.Println(time.Since(begin).Nanoseconds(), sum)
}
