package steps

import (
	"encoding/binary"
	"os"
	"time"
)

// A packet is one of a pcap file.
type packet struct {
	at   time.Duration // since 1970
	data []byte        // with its Ethernet header
}

// dumped are the packets in a pcap file, without one that is still being written.
func dumped(path string) (all []packet, err error) {
	const fileHeader, packetHeader = 24, 16
	file, err := os.ReadFile(path)
	if err != nil || len(file) < fileHeader {
		return nil, err
	}
	for file = file[fileHeader:]; len(file) >= packetHeader; {
		seconds, micros := binary.LittleEndian.Uint32(file), binary.LittleEndian.Uint32(file[4:])
		length := uint64(binary.LittleEndian.Uint32(file[8:]))
		if uint64(len(file)) < packetHeader+length {
			break
		}
		all = append(all, packet{
			at:   time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond,
			data: file[packetHeader : packetHeader+length],
		})
		file = file[packetHeader+length:]
	}
	return all, nil
}

// ethernetHeader is what each packet begins with; its type is the last two bytes.
const ethernetHeader = 14

func (p packet) is(etherType uint16) bool {
	return len(p.data) >= ethernetHeader && binary.BigEndian.Uint16(p.data[ethernetHeader-2:]) == etherType
}
