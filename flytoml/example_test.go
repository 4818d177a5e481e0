package flytoml_test

import (
	"fmt"

	"github.com/fly-aws/fly-aws/flytoml"
)

func ExampleFile_Set() {
	src := []byte(`app = 'shop'

[env]
  PORT = '8080'  # the load balancer's

# Machines
[[vm]]
  memory = '1gb'
`)
	file, err := flytoml.Parse(src)
	if err != nil {
		fmt.Println(err)
		return
	}
	edited, err := file.Set("AWS_REGION", "eu-central-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", edited.Bytes())
	// Output:
	// app = 'shop'
	//
	// [env]
	//   PORT = '8080'  # the load balancer's
	//   AWS_REGION = 'eu-central-1'
	//
	// # Machines
	// [[vm]]
	//   memory = '1gb'
}

func ExampleParse_invalid() {
	_, err := flytoml.Parse([]byte("[env]\n  PORT = 8080\n  PORT = 8081\n"))
	fmt.Println(err)
	// Output:
	// line 3, column 3: key PORT is already defined
}

func ExampleFile_Env() {
	file, err := flytoml.Parse([]byte("[env]\nPORT = 8080\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Env("PORT"))
	// Output:
	// 8080 true
}
