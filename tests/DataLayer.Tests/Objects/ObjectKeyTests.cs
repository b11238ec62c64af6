using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Storage.Objects;

namespace DataLayer.Tests.Objects;

public sealed class ObjectKeyTests
{
    [Fact]
    public void The_order_is_that_of_UTF8_bytes()
    {
        Random random = new(17);
        string[] alphabet = ["a", "b", "/", ".", "0", "ä", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "😀", "\U0010ffff"];
        for (int i = 0; i < 5000; i++)
        {
            string left = Pick(), right = Pick();
            int expected = Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right));
            Assert.True(Math.Sign(expected) == Math.Sign(ObjectKey.Compare(left, right)), $"'{left}' against '{right}', seed 17");
        }

        string Pick() => string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => alphabet[random.Next(alphabet.Length)]));
    }

    [Fact]
    public void A_key_may_have_1024_bytes_and_no_more()
    {
        ObjectKey.Check(new string('a', 1024));
        ObjectKey.Check(new string('ä', 512));
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => ObjectKey.Check(new string('a', 1025))).Code);
        Assert.Throws<DataLayerException>(() => ObjectKey.Check(new string('ä', 513)));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_no_key()
    {
        Assert.Throws<DataLayerException>(() => ObjectKey.Check("a\ud800b"));
        Assert.Throws<DataLayerException>(() => ObjectKey.Check("\udc00"));
    }

    [Fact]
    public void An_empty_key_is_refused_but_not_an_empty_prefix()
    {
        Assert.Throws<DataLayerException>(() => ObjectKey.Check(""));
        ObjectKey.CheckPrefix("");
    }
}
