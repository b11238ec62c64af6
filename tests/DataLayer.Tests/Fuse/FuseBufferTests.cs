using System.Globalization;
using DataLayer.Fuse.Interop;

namespace DataLayer.Tests.Fuse;

/// <summary>The memory that requests of a mount are read into.</summary>
public sealed class FuseBufferTests
{
    [Theory]
    [InlineData(128 << 10)]
    [InlineData(1 << 20)]
    public unsafe void All_pages_of_a_new_buffer_are_there_and_no_out_of_memory_killer_takes_them(int payloadBytes)
    {
        FuseBuffer buffer = new(payloadBytes);
        try
        {
            (string flags, long residentBytes) = Describe((nint)buffer.Payload);

            Assert.Equal("rw-s", flags);
            Assert.Equal(buffer.MappedBytes, residentBytes);
            Assert.Equal(0, (nint)buffer.Payload % 4096);
            buffer.GetSpan().Fill(7);
        }
        finally
        {
            buffer.Free();
        }
    }

    [Fact]
    public unsafe void A_freed_buffer_gives_its_memory_back()
    {
        FuseBuffer buffer = new(1 << 20);
        nint address = (nint)buffer.Payload;
        (string flags, _) = Describe(address);

        buffer.Free();

        Assert.Equal("rw-s", flags);
        Assert.NotEqual("rw-s", Describe(address).Flags);
    }

    /// <summary>The flags and the resident bytes of the mapping that holds an address; empty where there is none.</summary>
    private static (string Flags, long ResidentBytes) Describe(nint address)
    {
        string flags = string.Empty;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0].Contains('-', StringComparison.Ordinal))
            {
                string[] ends = words[0].Split('-');
                bool holds = Parse(ends[0]) <= address && address < Parse(ends[1]);
                flags = holds ? words[1] : string.Empty;
            }
            else if (flags.Length > 0 && words[0] == "Rss:")
            {
                return (flags, long.Parse(words[1], CultureInfo.InvariantCulture) << 10);
            }
        }

        return (string.Empty, 0);
    }

    private static nint Parse(string hex) => nint.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
