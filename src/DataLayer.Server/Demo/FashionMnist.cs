using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using DataLayer.Core.Errors;

namespace DataLayer.Server.Demo;

/// <summary>
/// Turns Debian's <c>dataset-fashion-mnist</c> into what a bucket of training images looks like: one file an image,
/// <c>train|test/LABEL/NUMBER.pgm</c>. Source of the format: IDX (big-endian magic 0x0803 for images, 0x0801 for
/// labels, then
/// the counts); PGM is the binary grey map of Netpbm (<c>P5</c>).
/// </summary>
internal static class FashionMnist
{
    /// <summary>Where Debian's package puts the four IDX files.</summary>
    public const string DebianFolder = "/usr/share/datasets/fashion-mnist";

    private const int ImageMagic = 0x0803;
    private const int LabelMagic = 0x0801;

    /// <summary>Whether the package is installed.</summary>
    public static bool IsInstalled(string folder) => File.Exists(Path.Combine(folder, "train-images-idx3-ubyte.gz"));

    /// <summary>Writes one file an image below <paramref name="destination"/>; returns how many.</summary>
    /// <exception cref="DataLayerException">Corrupt: a file is not what its name says.</exception>
    public static int Explode(string folder, string destination, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach ((string part, string prefix) in new[] { ("train", "train"), ("test", "t10k") })
        {
            byte[] images = Unpack(Path.Combine(folder, prefix + "-images-idx3-ubyte.gz"), ImageMagic, headerBytes: 16);
            byte[] labels = Unpack(Path.Combine(folder, prefix + "-labels-idx1-ubyte.gz"), LabelMagic, headerBytes: 8);
            int imageCount = BinaryPrimitives.ReadInt32BigEndian(images.AsSpan(4));
            int rows = BinaryPrimitives.ReadInt32BigEndian(images.AsSpan(8));
            int columns = BinaryPrimitives.ReadInt32BigEndian(images.AsSpan(12));
            int size = rows * columns;
            if (imageCount != BinaryPrimitives.ReadInt32BigEndian(labels.AsSpan(4))
                || images.Length != 16 + ((long)imageCount * size))
            {
                throw new DataLayerException(ErrorCode.Corrupt,
                    $"The images and labels of '{prefix}' in {folder} do not belong together. "
                    + "Install the package again.");
            }

            byte[] header = System.Text.Encoding.ASCII.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"P5\n{columns} {rows}\n255\n"));
            byte[] file = new byte[header.Length + size];
            header.CopyTo(file, 0);
            for (int label = 0; label < 10; label++)
            {
                string folderName = label.ToString(CultureInfo.InvariantCulture);
                Directory.CreateDirectory(Path.Combine(destination, part, folderName));
            }

            for (int i = 0; i < imageCount; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                images.AsSpan(16 + (i * size), size).CopyTo(file.AsSpan(header.Length));
                string name = string.Create(CultureInfo.InvariantCulture, $"{labels[8 + i]}/{i:D5}.pgm");
                File.WriteAllBytes(Path.Combine(destination, part, name), file);
                count++;
            }
        }

        return count;
    }

    private static byte[] Unpack(string file, int magic, int headerBytes)
    {
        using FileStream compressed = File.OpenRead(file);
        using GZipStream stream = new(compressed, CompressionMode.Decompress);
        using MemoryStream bytes = new();
        stream.CopyTo(bytes);
        byte[] content = bytes.ToArray();
        return content.Length > headerBytes && BinaryPrimitives.ReadInt32BigEndian(content) == magic
            ? content
            : throw new DataLayerException(ErrorCode.Corrupt, $"{file} is not an IDX file. Install the package again.");
    }
}
